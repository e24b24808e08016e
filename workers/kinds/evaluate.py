"""The kind of job that judges a stored circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import EvaluateSpec, JobRecord
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost, figures
from workers.results.circuit import Circuit
from workers.results.evaluation import Evaluated

if TYPE_CHECKING:
    from graph_schema.documents import CircuitDocument, DatasetDocument
    from graph_schema.store.connection import GraphStore
    from workers.job.results import EvaluationResult
    from workers.job.workbench import Workbench


def _work(spec: EvaluateSpec, bench: Workbench) -> EvaluationResult:
    from discovery.jobs.evaluate import judge
    from discovery.jobs.sizes import CutSizes
    from graph_schema.circuit_arrays import stored_scores, stored_units
    from graph_schema.store.records.circuits import read_circuit
    from workers.job.results import EvaluationResult

    circuit = read_circuit(bench.store, spec.circuit_id)
    inspected, pairs = bench.inspected(spec)
    described = bench.described(spec, circuit.dictionaries)
    units = stored_units(circuit, bench.artifacts)
    n_numbers = sum(each.n_numbers for each in described)
    cut = CutSizes.of_circuit(circuit, len(units) or len(circuit.unit_names), n_numbers)
    chunk = bench.chunk(spec, pairs, cut=cut)
    bench.require_place()
    model = bench.model(spec, inspected)
    judged = judge(
        spec,
        circuit,
        stored_scores(circuit, bench.artifacts),
        model,
        pairs,
        limits=bench.settings.limits,
        progress=bench.lease,
        found_on=_found_on(circuit, bench.store),
        chunk=chunk,
        dictionaries=bench.dictionaries(described, spec),
        units=units,
    )
    refs = bench.saved(judged.arrays)
    evaluation = judged.evaluation.model_copy(update={"artifacts": refs})
    run = bench.run(judged.cpu_seconds)
    return EvaluationResult(evaluation, model.document, pairs.document, run)


def _found_on(circuit: CircuitDocument, store: GraphStore) -> DatasetDocument | None:
    """The pairs of the job that found the circuit, where there was one and they are stored."""
    from graph_schema.store.records.datasets import has_dataset, read_dataset

    sha256 = circuit.dataset_sha256
    if circuit.job_id is None or sha256 is None or not has_dataset(store, sha256):
        return None
    return read_dataset(store, sha256)


Judgement = tuple[Evaluated, list[Circuit]]
"""The evaluation, and the circuit that it is of."""


def _outcome(stored: Stored, record: JobRecord) -> Judgement:
    from workers.results.reading import stored_circuit, stored_evaluation

    circuits = [stored_circuit(stored.graph, stored.artifacts, each) for each in record.circuit_ids]
    return stored_evaluation(stored.graph, record.job_id), circuits


def _text(judgement: Judgement) -> str:
    return str(judgement[0])


def _json(judgement: Judgement | None) -> dict[str, Any]:
    """The circuit's size with the figures that this job found."""
    if judgement is None:
        return {**figures(None), "circuits": [], **cost(None)}
    evaluated, circuits = judgement
    each = [figures(circuit, evaluated) for circuit in circuits]
    return {**each[0], "circuits": each, **cost(evaluated.run)}


def _look(record: JobRecord) -> str:
    return f"circuits job {record.job_id[:12]} --wait"


EVALUATE = JobKind(
    spec=EvaluateSpec, work=_work, outcome=_outcome, text=_text, json=_json, look=_look
)
