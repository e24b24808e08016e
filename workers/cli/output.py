"""Where words go: results to standard output, everything else to standard error.

Nothing is wrapped: a terminal does that by itself, and a file or a script wants whole lines.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from graph_schema.printable import printable
from graph_schema.reports import ASCII, UNICODE
from graph_schema.reports.picture import Marks


def emit(text: str) -> None:
    """Print a result."""
    print(text, flush=True)


def emit_json(value: Any) -> None:
    """Print a result for a script: one JSON value, alone on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False), flush=True)


def say(text: str) -> None:
    """Tell the person at the keyboard; what quotes others cannot steer the terminal."""
    print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def page_width() -> int:
    """The terminal's width; 100 where there is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def marks() -> Marks:
    """Characters for pictures that standard output can encode."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return UNICODE if encoding.startswith("utf") else ASCII
