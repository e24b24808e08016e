"""A part of a universality report: heading, prose, a table, and the Cypher that finds its figures.

Nothing is escaped here: that is the business of each form of the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graph_schema.documents.role import Share


@dataclass(frozen=True)
class Section:
    """A heading, then lines of prose, then a table and the query behind it, where there are any.

    `also` is a second query, where one does not find all of the table's figures; `counted` says
    that the prose holds figures of these queries, whether or not there are rows.
    """

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    cypher: str = ""
    also: str = ""
    counted: bool = False

    @property
    def queries(self) -> tuple[str, ...]:
        """The queries behind the figures; none where there are no figures."""
        figures = self.counted or bool(self.rows)
        return tuple(filter(None, (self.cypher, self.also))) if figures else ()


def interval(share: Share | None) -> str:
    return share.text if share else ""


def listed(ids: Iterable[str | None]) -> str:
    """A list of ids as Cypher; they are hexadecimal, so there is nothing to escape."""
    return "[" + ", ".join(f"'{each}'" for each in ids if each) + "]"
