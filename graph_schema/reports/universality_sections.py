"""A part of a universality report: heading, prose, a table, and the Cypher that finds its figures.

Nothing is escaped here: that is the business of each form of the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graph_schema.documents.role import Share


@dataclass(frozen=True)
class Section:
    """A heading, then lines of prose, then a table and the query behind it, where there are any."""

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    cypher: str = ""


def interval(share: Share | None) -> str:
    return share.text if share else ""


def listed(ids: Iterable[str | None]) -> str:
    """A list of ids as Cypher; they are hexadecimal, so there is nothing to escape."""
    return "[" + ", ".join(f"'{each}'" for each in ids if each) + "]"
