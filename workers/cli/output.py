"""Where words go: results to standard output, everything else to standard error.

Nothing is wrapped: a terminal does that by itself, and a file or a script wants whole lines.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

from graph_schema.errors import ResourceError
from graph_schema.json_text import json_text
from graph_schema.printable import in_json, printable

if TYPE_CHECKING:
    from graph_schema.reports.text_picture import Marks

_left = threading.Event()


def prepare_outputs() -> None:
    """Make both outputs take any text: closed ones swallow it, narrow ones spell it out."""
    _left.clear()
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def emit(text: str, *, exact: bool = False) -> None:
    """Print a result. Where its reader goes away (`| head`) the command goes on to its own end.

    What it quotes of others cannot steer a terminal. Where it is `exact`, a file or a program gets
    it as it is.

    Raises:
        ResourceError: It cannot be written, usually because the disk is full.
    """
    if not exact or sys.stdout.isatty():
        text = _harmless(text)
    try:
        print(text, flush=True)
    except OSError as error:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            _left.set()
            return
        raise ResourceError(
            f"standard output cannot be written: {error.strerror}; see that its place has room"
        ) from error


def no_input() -> bool:
    """Whether standard input is closed (`<&-`): Python has none then."""
    return sys.stdin is None  # pyright: ignore[reportUnnecessaryComparison]


def reader_left() -> bool:
    """Whether some of the results were read by nobody."""
    return _left.is_set()


def emit_json(value: Any) -> None:
    """Print a result for a script: one JSON value, alone on standard output.

    NaN and infinity are null in it, and what steers a terminal is escaped.
    """
    text = "\n".join(map(in_json, json_text(value, indent=2).split("\n")))
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json_text(value, indent=2, ascii_only=True)
    emit(text)


def say(text: str) -> None:
    """Tell the person at the keyboard; what quotes others cannot steer the terminal.

    Where nobody hears it (`2>&1 | head`) the work goes on, and ends with its own code.
    """
    try:
        print(_harmless(text), file=sys.stderr, flush=True)
    except OSError:
        _give_up(sys.stderr)


def _harmless(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _give_up(stream: TextIO) -> None:
    """Send nowhere what follows, and what is left in the buffer: it would fail at the end."""
    with _nowhere() as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def page_width() -> int:
    """The terminal's width; 100 where there is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def marks() -> Marks:
    """Characters for pictures that standard output can encode."""
    from graph_schema.reports import ASCII, UNICODE

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return UNICODE if encoding.startswith("utf") else ASCII
