"""What a specificity job found, as a client hands it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graph_schema.documents.jobs import RunRecord
from graph_schema.documents.specificity import Specificity
from graph_schema.printable import printable
from graph_schema.reports import words_html
from graph_schema.reports.specificity import specificity_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SpecificityFound:
    """The matrix; `run` says where, how long, in which versions."""

    document: Specificity
    run: RunRecord | None = None

    def to_pandas(self) -> pd.DataFrame:
        """A row a cell: whose role, on which task, what is lost, what random heads lose."""
        import pandas as pd

        rows = [
            {
                "task": self.document.task(cell.of).task,
                "role": cell.role.value,
                "on_task": self.document.task(cell.on).task,
                **cell.model_dump(include={"share", "ci_low", "ci_high", "sets"}),
                "random": cell.random.mean if cell.random else None,
                "p": cell.random.p if cell.random else None,
            }
            for cell in self.document.cells
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        tasks = ", ".join(each.task for each in self.document.tasks)
        return printable(f"<SpecificityFound of {self.document.model.name} on {tasks}>")

    def __str__(self) -> str:
        return specificity_text(self.document)

    def _repr_html_(self) -> str:
        return words_html(str(self))
