"""An evaluation as the client hands it out: its document, and ways to look at it."""

from __future__ import annotations

from dataclasses import dataclass

from graph_schema.documents import CircuitEvaluation
from graph_schema.documents.jobs import RunRecord
from graph_schema.printable import printable
from graph_schema.reports import evaluation_html, evaluation_summary, figure


@dataclass(frozen=True)
class Evaluated:
    """What an `evaluate` job found; `run` says where, how long and with which versions."""

    document: CircuitEvaluation
    run: RunRecord | None = None

    def __repr__(self) -> str:
        found = self.document
        told = figure(found.evaluation.heldout_faithfulness)
        return printable(
            f"<Evaluated {found.evaluation_id[:12]}: circuit {found.circuit_id[:12]} on "
            f"{found.task}, held out {told}>"
        )

    def __str__(self) -> str:
        return evaluation_summary(self.document)

    def _repr_html_(self) -> str:
        return evaluation_html(self.document)
