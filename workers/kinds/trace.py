"""The kind of job that traces one prompt: its attribution graph, as a circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph_schema.documents import CircuitDocument
from graph_schema.documents.jobs import JobRecord, RunRecord, TraceSpec
from graph_schema.reports.traces import trace_text
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost
from workers.results.circuit import Circuit

if TYPE_CHECKING:
    from neo4j import Transaction

    from graph_schema.store.records.circuit_drafts import Part
    from workers.job.workbench import Workbench


@dataclass(frozen=True)
class TraceResult:
    """What a trace job found."""

    circuit: CircuitDocument
    run: RunRecord

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return (self.circuit.circuit_id,)

    def parts(self) -> tuple[Part, ...]:
        from graph_schema.store.records.circuit_drafts import parts_of

        return parts_of([self.circuit], self.run)

    def write(self, tx: Transaction) -> None:
        """Write the graph and its run; there is no dataset and no task."""
        from graph_schema.store.records.circuit_drafts import write_found

        write_found(tx, [self.circuit], self.run)


def _work(spec: TraceSpec, bench: Workbench) -> TraceResult:
    from functools import partial

    from discovery.jobs.trace import trace_prompt
    from discovery.jobs.trace_room import require_room
    from discovery.tracing.prompt import logit_piece, read_prompt

    limits = bench.settings.limits
    inspected = bench.looked_at(spec)
    vocabulary = bench.vocabulary_of(inspected, spec.add_bos)
    prompt = read_prompt(spec, vocabulary, limits)
    described = bench.described(spec, spec.dictionaries, splice=False)
    n_numbers = sum(each.n_numbers for each in described)
    require_room(spec, bench.sizes(spec), len(prompt.tokens), n_numbers, limits)
    bench.require_place()
    found = trace_prompt(
        spec,
        bench.model(spec, inspected),
        prompt,
        progress=bench.lease,
        say=partial(logit_piece, vocabulary=vocabulary),
        dictionaries=bench.dictionaries(described, spec),
    )
    refs = bench.saved(found.arrays)
    circuit = found.circuit.model_copy(update={"artifacts": refs})
    return TraceResult(circuit, bench.run(found.cpu_seconds))


def _outcome(stored: Stored, record: JobRecord) -> Circuit:
    from workers.results.reading import stored_circuit

    return stored_circuit(stored.graph, stored.artifacts, record.circuit_ids[0])


def _text(circuit: Circuit) -> str:
    return trace_text(circuit.document)


def _json(circuit: Circuit | None) -> dict[str, Any]:
    """Size, scores and notes; the graph itself is the circuit's."""
    document = circuit.document if circuit else None
    scores = document.graph_scores if document else None
    return {
        "circuit_id": document.circuit_id if document else None,
        "prompt": document.prompt.model_dump(mode="json") if document and document.prompt else None,
        "n_nodes": len(document.nodes) if document else None,
        "n_edges": document.n_edges if document else None,
        "n_edges_scored": document.n_edges_scored if document else None,
        "replacement": scores.replacement if scores else None,
        "completeness": scores.completeness if scores else None,
        "notes": list(document.notes) if document else [],
        **cost(circuit.run if circuit else None),
    }


def _look(record: JobRecord) -> str:
    return f"circuits show {record.circuit_ids[0][:12]}"


TRACE = JobKind(spec=TraceSpec, work=_work, outcome=_outcome, text=_text, json=_json, look=_look)
