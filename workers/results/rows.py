"""The answer to a Cypher query."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from graph_schema.json_text import json_text
from graph_schema.printable import as_cell, printable
from graph_schema.reports import rows_html, table

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Columns and rows; `cut_by` names the setting of the limit that cut the answer, if one did."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut_by: str | None = None

    @property
    def truncated(self) -> bool:
        """Whether the answer has more rows than these."""
        return self.cut_by is not None

    def records(self) -> list[dict[str, Any]]:
        """One dictionary a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_csv(self) -> str:
        """A heading and a line a row; lists, objects and truth values as JSON.

        Text that a spreadsheet would take for a formula is written so that it takes none.
        """
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(map(_csv_cell, self.columns))
        for row in self.rows:
            writer.writerow(map(_csv_cell, row))
        return target.getvalue().removesuffix("\n")

    def to_pandas(self) -> pd.DataFrame:
        """As pandas reads the values: NaN and null in a column of numbers are NaN.

        Where a column of floats would lose digits of an integer, it is pandas' `Int64`, or of
        objects where floats are among its values.
        """
        import pandas as pd

        frame = pd.DataFrame(self.rows, columns=list(self.columns))
        for place, values in enumerate(zip(*self.rows, strict=True)):
            if (kept := _whole(values)) is not None:
                frame.isetitem(place, pd.array(values, dtype=kept))
        return frame

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The nodes and relationships in the answer, or its columns `sender` and `receiver`.

        Raises:
            SpecError: It holds neither.
        """
        from workers.results.answer_graph import answer_graph

        return answer_graph(self.columns, self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records())

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        more = f", cut by {self.cut_by}" if self.truncated else ""
        return printable(f"<Rows: {len(self.rows):,} rows of {', '.join(self.columns)}{more}>")

    def __str__(self) -> str:
        return table(self.columns, self.rows) if self.rows else "(no rows)"

    def _repr_html_(self) -> str:
        cut = (
            f"the answer has more rows (CIRCUITS_LIMITS__{self.cut_by.upper()})"
            if self.cut_by
            else ""
        )
        return rows_html(self.columns, self.rows, cut)


def _csv_cell(value: object) -> object:
    if isinstance(value, dict | list | bool):
        return json_text(value, ascii_only=True)
    return as_cell(value) if isinstance(value, str) else value


def _whole(values: Sequence[object]) -> Literal["Int64", "object"] | None:
    """The kind of a column that pandas would make floats of, though one cannot hold its integers.

    A float has 53 bits: 9007199254740993 would become 9007199254740992.
    """
    kinds = {type(value) for value in values}
    if not kinds <= {int, float, type(None)} or kinds == {int}:
        return None
    if not any(isinstance(value, int) and abs(value) > 2**53 for value in values):
        return None
    return "object" if float in kinds else "Int64"
