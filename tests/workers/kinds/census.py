"""A kind of job in one file: how many edges of a stored circuit each layer's receivers have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, LiteralString

from graph_schema.documents import Component
from graph_schema.documents.jobs import JobRecord, JobSpec
from workers.job.in_one_go import InOneGo
from workers.kinds import JobKind, Stored

if TYPE_CHECKING:
    from neo4j import Transaction

    from workers.job.workbench import Workbench

WRITE: LiteralString = "CREATE (c:Census {job_id: $job_id, layers: $layers, n: $n})"
READ: LiteralString = "MATCH (c:Census {job_id: $job_id}) RETURN c.layers AS layers, c.n AS n"


class CensusSpec(JobSpec):
    """The circuit to count in."""

    kind: Literal["census"] = "census"
    circuit_id: str


@dataclass(frozen=True)
class Counted(InOneGo):
    """Edges by the layer of their receiver."""

    job_id: str
    by_layer: dict[str, int]
    circuit_ids: tuple[str, ...] = ()

    def write(self, tx: Transaction) -> None:
        layers, n = list(self.by_layer), list(self.by_layer.values())
        tx.run(WRITE, job_id=self.job_id, layers=layers, n=n).consume()


def _work(spec: CensusSpec, bench: Workbench) -> Counted:
    from graph_schema.store.records.circuits import read_circuit

    bench.lease("counting", 0, 1)
    edges = read_circuit(bench.store, spec.circuit_id).edges
    layers = Counter(str(Component.parse(edge.receiver).layer) for edge in edges)
    return Counted(bench.record.job_id, dict(sorted(layers.items())))


def _outcome(stored: Stored, record: JobRecord) -> dict[str, int]:
    (row,) = stored.graph.rows(READ, job_id=record.job_id)
    return dict(zip(row["layers"], row["n"], strict=True))


def _json(outcome: dict[str, int] | None) -> dict[str, Any]:
    return {"edges_by_layer": outcome}


CENSUS = JobKind(
    spec=CensusSpec,
    work=_work,
    outcome=_outcome,
    text=lambda outcome: ", ".join(f"layer {layer}: {n}" for layer, n in outcome.items()),
    json=_json,
    look=lambda record: f"circuits job {record.job_id[:12]} --wait",
)
