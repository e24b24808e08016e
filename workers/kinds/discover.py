"""The kind of job that finds circuits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import DiscoverSpec, JobRecord
from graph_schema.reports import conditions, headline
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost, figures
from workers.kinds.scoring import ready
from workers.kinds.shard import parts_of
from workers.results.circuit import Circuit

if TYPE_CHECKING:
    from workers.job.results import Result
    from workers.job.workbench import Workbench


def _work(spec: DiscoverSpec, bench: Workbench) -> Result:
    from discovery.jobs.discover import discover
    from workers.job.results import Result

    at_hand = ready(spec, bench)
    parts = parts_of(at_hand.checkpoints, spec, bench.placement.shards)
    found = discover(spec, at_hand.model, at_hand.pairs, parts=parts, **at_hand.options)
    refs = bench.saved(found.arrays)
    circuits = tuple(each.model_copy(update={"artifacts": refs}) for each in found.circuits)
    return Result(circuits, at_hand.pairs.document, bench.run(found.cpu_seconds), found.features)


def _outcome(stored: Stored, record: JobRecord) -> list[Circuit]:
    from workers.results.reading import stored_circuit

    return [stored_circuit(stored.graph, stored.artifacts, each) for each in record.circuit_ids]


def _text(circuits: list[Circuit]) -> str:
    return "\n".join(map(_headline, circuits))


def _headline(circuit: Circuit) -> str:
    document = circuit.document
    return "\n".join(
        [
            f"circuit {document.circuit_id}",
            f"  {document.n_edges:,} of {document.n_edges_scored:,} edges",
            f"  by {', '.join([document.method.name, *conditions(document)])}",
            *(f"  {label:<14}{text}" for label, text in headline(document)),
            *(f"  note          {note}" for note in document.notes),
            f"  look at it: circuits show {document.circuit_id[:12]}",
        ]
    )


def _json(circuits: list[Circuit] | None) -> dict[str, Any]:
    """Every circuit's figures; the first one's stand at the top as well."""
    each = [figures(circuit) for circuit in circuits or ()]
    run = circuits[0].run if circuits else None
    return {**(each[0] if each else figures(None)), "circuits": each, **cost(run)}


def _look(record: JobRecord) -> str:
    return f"circuits show {record.circuit_ids[0][:12]}"


DISCOVER = JobKind(
    spec=DiscoverSpec, work=_work, outcome=_outcome, text=_text, json=_json, look=_look
)
