"""Templates, and how values look in them. All text is escaped, whoever wrote it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from graph_schema.printable import clipped, printable
from graph_schema.reports.tables import cell, number
from workers import static
from workers.results.job_facts import duration

ID_DIGITS = 12
LONGEST_CELL = 1_000
"""Letters of a value of an answer."""


def make_templates() -> Environment:
    """The templates of this package, with everything escaped and nothing undefined let pass."""
    made = Environment(
        loader=PackageLoader("workers.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    own: dict[str, Any] = {"static": static.address, "address": address}
    made.globals.update(own)
    made.filters.update(
        figure=figure, cell=cell, short=short, moment=moment, duration=duration, plain=printable,
        lines=lines, token=token, brief=brief,
    )  # fmt: skip
    return made


def address(path: str, given: Mapping[str, Any] | None = None, /, **changes: Any) -> str:
    """A path with a query: what was given, with changes; what is None or empty is left out.

    Of a list each value is said.
    """
    asked = {**(given or {}), **changes}
    kept = {name: value for name, value in asked.items() if value not in (None, "", [])}
    said = urlencode(kept, doseq=True)
    return f"{path}?{said}" if said else path


def whole(text: str | None) -> int:
    """A whole number that an address says; 0 where it says none."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


def figure(value: float | None) -> str:
    """A number in four digits; a dash where there is none."""
    return "\N{EN DASH}" if value is None else number(value)


def brief(value: object) -> str:
    """A value of an answer in a cell; an ellipsis in place of what would fill the page."""
    return clipped(cell(value), LONGEST_CELL)


def lines(text: str) -> str:
    """Text of several lines, in characters that steer nothing."""
    return "\n".join(map(printable, text.splitlines()))


def token(text: str) -> str:
    """A token of a model's, with the blanks and line ends that nobody would see: `' the'`."""
    return printable(repr(text))


def short(id: str | None) -> str:
    """The first digits of an id."""
    return "" if id is None else id[:ID_DIGITS]


def moment(milliseconds: int | None) -> str:
    """A time as the server's clock shows it."""
    if not milliseconds:
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(milliseconds / 1000))
