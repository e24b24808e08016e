"""Sections of a page that a benchmark writes: each between its own two marks, the rest by hand."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

PERFORMANCE = Path(__file__).parent.parent / "docs" / "performance.md"


def write_section(name: str, text: str, page: Path = PERFORMANCE) -> None:
    """Put `text` between the marks of `name`; at the page's end where it has none yet."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    written = page.read_text()
    if begin in written:
        before, rest = written.split(begin, 1)
        written = before + section + rest.split(end, 1)[1]
    else:
        written = f"{written.rstrip()}\n\n{section}\n"
    page.write_text(written)


def versions(*packages: str) -> str:
    """What a figure was measured with: packages, Python, machine."""
    named = [f"{package} {metadata.version(package)}" for package in packages]
    return ", ".join([*named, f"Python {platform.python_version()}", platform.machine()])
