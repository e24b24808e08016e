"""Plain text in columns: how a value and a table of them look on a screen and in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from graph_schema.printable import printable
from graph_schema.reports.graph_values import graph_text

_NUMBER = re.compile(r"-?[\d,]*\.?\d+(e[+-]?\d+)?|nan|-?inf")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their headings, columns aligned, numbers to the right; no cell is ever cut."""
    columns = [cell(heading) for heading in columns]
    cells = [[cell(value) for value in row] for row in rows]
    numeric = [_is_numeric(value) for value in zip(*cells, strict=True)] if cells else []
    numeric = numeric or [False] * len(columns)
    widths = [
        max(len(heading), *(len(row[i]) for row in cells)) if cells else len(heading)
        for i, heading in enumerate(columns)
    ]

    def line(values: Sequence[str]) -> str:
        parts = [
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(columns), rule, *(line(row) for row in cells)])


def cell(value: object) -> str:
    """A value as a table shows it: one line, floats in four digits, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if text := graph_text(value):
        return printable(text)
    if isinstance(value, list | tuple) and any(graph_text(item) for item in value):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, dict | list | tuple):
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(" ".join(str(value).split()))


def number(value: float) -> str:
    """A float in four significant digits."""
    return f"{value:#.4g}".rstrip(".") if value else "0"


def fact_lines(facts: Iterable[tuple[str, str]]) -> str:
    """Facts under each other, their labels in a column."""
    return "\n".join(f"{label:<14}{printable(text)}" for label, text in facts)


def _is_numeric(values: Sequence[str]) -> bool:
    filled = [value for value in values if value]
    return bool(filled) and all(_NUMBER.fullmatch(value) for value in filled)
