"""What becomes of a page when the site is built."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

COMMANDS = "reference/commands.md"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page as the site has it: tables as both readers read them, every command's help."""
    if page.file.src_uri == COMMANDS:
        markdown = f"{markdown}\n{_commands()}"
    return re.sub(r"^\|.*$", _bars, markdown, flags=re.MULTILINE)


def _commands() -> str:
    """Typer's own words for all commands, a level below the page's title."""
    told = subprocess.run(
        [sys.executable, "-m", "typer", "workers.cli", "utils", "docs", "--name", "circuits"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return told.partition("\n")[2]


def _bars(row: re.Match[str]) -> str:
    """A table's row; where GitHub wants a bar in code to be escaped, Python-Markdown shows both."""
    return re.sub(r"`[^`]*`", lambda code: code[0].replace(r"\|", "|"), row[0])
