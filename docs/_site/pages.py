"""What becomes of a page when the site is built."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMANDS, NOTEBOOKS = "reference/commands.md", "notebooks.md"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page as the site has it: tables as both readers read them, every command's help."""
    if page.file.src_uri == COMMANDS:
        markdown = f"{markdown}\n{_commands()}"
    if page.file.src_uri == NOTEBOOKS:
        folder = Path(page.file.abs_src_path).with_suffix("")
        names = re.findall(r"\(notebooks/([\w-]+\.ipynb)\)", markdown)
        markdown = "\n\n".join([markdown, *(_notebook(folder / name) for name in names)])
    return re.sub(r"^\|.*$", _bars, markdown, flags=re.MULTILINE)


def _notebook(file: Path) -> str:
    """A notebook's text and code, a level below the page's title; links as from the page."""
    parts: list[str] = []
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            parts.append(f"```python\n{text}\n```")
        else:
            text = re.sub(r"^(#+ )", r"#\1", text, flags=re.MULTILINE)
            text = re.sub(r"\]\(\.\./", "](", text)
            parts.append(re.sub(r"\]\(([\w-]+\.ipynb)\)", r"](notebooks/\1)", text))
    return "\n\n".join(parts)


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
