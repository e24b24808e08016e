"""The kind of job that judges a motif over models, from what its other jobs found.

It loads no model: it reads the graph, states each model's rungs, judges, and writes the verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import JobRecord, UniversalitySpec
from graph_schema.documents.universality import UniversalityReport
from workers.job.in_one_go import InOneGo
from workers.kinds.base import JobKind, Stored
from workers.results.universality import Universality

if TYPE_CHECKING:
    from neo4j import Transaction

    from graph_schema.documents import ModelDocument, Motif
    from workers.job.workbench import Workbench
    from workers.kinds.universality_occurrences import Occurrences


@dataclass(frozen=True)
class UniversalityResult(InOneGo):
    """What is written: the motif, models that nothing was stored of, verdicts with the report.

    `occurrences` is the test of the motif in the models' circuits, also told in the report.
    """

    report: UniversalityReport
    motif: Motif
    models: tuple[ModelDocument, ...]
    occurrences: Occurrences | None

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        """None are its own."""
        return ()

    def write(self, tx: Transaction) -> None:
        from graph_schema.store.records.alignments import write_role_alignment
        from graph_schema.store.records.models import write_model
        from graph_schema.store.records.motifs import write_motif
        from graph_schema.store.records.reports import write_report

        for model in self.models:
            write_model(tx, model)
        write_motif(tx, self.motif)
        if self.occurrences is not None:
            self.occurrences.write(tx)
        write_report(tx, self.report)
        for alignment in self.report.alignments:
            write_role_alignment(tx, alignment)


def _work(spec: UniversalitySpec, bench: Workbench) -> UniversalityResult:
    from graph_schema.store.records.models import ancestors
    from workers.kinds.universality_evidence import gather
    from workers.kinds.universality_judging import report
    from workers.kinds.universality_occurrences import occurrences

    gathered = []
    for number, each in enumerate(spec.models):
        bench.lease("models", number, len(spec.models))
        gathered.append(gather(bench.store, each))
    bench.lease("occurrences", 0, 1)
    counted = occurrences(spec.motif, gathered, alpha=spec.protocol.alpha, seed=spec.seed)
    bench.lease("verdicts", 0, 1)
    derived = [
        (model, earlier) for model, all_ in ancestors(bench.store).items() for earlier in all_
    ]
    models = tuple(each.model for each in gathered if each.model is not None)
    found = report(spec, gathered, derived, counted.test if counted else None)
    return UniversalityResult(found, spec.motif, models, counted)


def _outcome(stored: Stored, record: JobRecord) -> Universality:
    from graph_schema.store.records.reports import read_report

    return Universality(read_report(stored.graph, record.job_id), state=record.state.value)


def _json(found: Universality | None) -> dict[str, Any]:
    return found.to_json() if found else Universality.no_json()


def _look(record: JobRecord) -> str:
    return f"circuits report {record.job_id[:12]}"


UNIVERSALITY = JobKind(
    spec=UniversalitySpec, work=_work, outcome=_outcome, text=str, json=_json, look=_look
)
