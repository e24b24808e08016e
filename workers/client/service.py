"""What the client does against graph, queue and artifacts: the part that loads the driver."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
from celery import Celery

from graph_schema.compare import Known, along_training, check_checkpoints, compare_all
from graph_schema.documents import CircuitDocument, CircuitEvaluation
from graph_schema.documents.jobs import JobRecord, JobState, Placement, RunRecord
from graph_schema.errors import (
    ModelUnavailable,
    NotFoundError,
    NumericsError,
    ResourceError,
    error_from_document,
)
from graph_schema.exchange import said_data
from graph_schema.fingerprint import is_path
from graph_schema.store import jobs
from graph_schema.store.artifacts import ArtifactStore, stored_scores
from graph_schema.store.asking import ask
from graph_schema.store.circuit_list import CircuitFilter, CircuitSummary, list_circuits
from graph_schema.store.circuits import read_circuit
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.datasets import has_dataset, write_dataset
from graph_schema.store.evaluations import read_evaluation, read_evaluations
from graph_schema.store.imports import write_imported
from graph_schema.store.models import ancestors, find_model, write_derived
from graph_schema.store.query import QueryResult, run_user_query
from graph_schema.store.schema import SchemaSummary, summarise_schema
from workers import broker
from workers.client.circuit import Circuit
from workers.client.comparison import Compared
from workers.client.evaluation import Evaluated
from workers.client.rows import Rows
from workers.evaluations import EvaluateRequest, build_evaluation
from workers.exchange import ImportRequest, ReadFile, model_of
from workers.local import ensure_local, hold, tell_of_differences
from workers.reconcile import deliver
from workers.settings import Settings
from workers.specs import Submission

PATIENCE = 5.0
"""Seconds until a graph that does not answer counts as away."""

RUN: LiteralString = """
MATCH (r:Run)-[:PRODUCED]->(:Circuit {circuit_id: $circuit_id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""
EVALUATION_RUN: LiteralString = """
MATCH (r:Run)-[:MEASURED]->(:Evaluation {evaluation_id: $evaluation_id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""


class Service:
    """A graph, a queue and an artifact store, connected. Made by `connect`."""

    def __init__(self, settings: Settings, address: StoreAddress, store: GraphStore) -> None:
        self.settings = settings
        self.address = address
        self.store = store
        self.artifacts = ArtifactStore(settings.artifacts_url)
        self._app: Celery | None = None
        self._told = False

    @property
    def app(self) -> Celery:
        """The queue; made when something is first sent."""
        if self._app is None:
            self._app = broker.make_app(self.settings)
        return self._app

    def submit(self, submission: Submission, *, force: bool, send: bool = True) -> JobRecord:
        """The job of a checked request, in the graph and on its way; again is the same job.

        One that ended without a circuit for no lasting fault of the request (it was cancelled, its
        worker died, its model was away, a limit was in the way) is tried again, at this request's
        place; `force` tries again whatever has ended.
        """
        if send:
            if self.settings.local and not self._told:
                self._told = True
                tell_of_differences(self.settings)
            broker.queue_depth(self.app)  # a queue that is away is told before anything is written
        dataset = submission.dataset
        if dataset is not None:
            self.store.write(lambda tx: write_dataset(tx, dataset))
        made = jobs.submit(self.store, submission.spec, submission.placement, force=force)
        if not force and _deserves_another_try(made.record, submission.placement):
            made = jobs.submit(self.store, submission.spec, submission.placement, force=True)
        if made.send and send:
            deliver(self.store, self.app, [made.record.job_id])
        return made.record

    def cancel(self, job_id: str) -> JobRecord:
        """The job, cancelled or asked to end; what it set free is sent."""
        record, freed = jobs.cancel(self.store, job_id)
        if freed:
            deliver(self.store, self.app, freed)
        return record

    def job(self, job_id: str) -> JobRecord:
        return jobs.get(self.store, job_id)

    def jobs(self, states: tuple[JobState, ...], limit: int) -> tuple[JobRecord, ...]:
        return jobs.list_jobs(self.store, states=states, limit=limit)

    def circuit(self, circuit_id: str) -> Circuit:
        """The circuit, with the run that produced it."""
        document = read_circuit(self.store, circuit_id)
        found = self.store.rows(RUN, circuit_id=document.circuit_id)
        run = _run_record(found[0]) if found else None
        return Circuit(document, self.artifacts, run)

    def import_circuit(self, request: ImportRequest, read: ReadFile) -> CircuitDocument:
        """The stored circuit of a file that was read.

        Raises:
            SpecError: It does not fit the model, or the file is stored for another one.
        """
        model, source = model_of(request, self.store, self.settings.cache_dir)
        pairs = read.pairs
        said = said_data(read.found) if pairs is None else None
        if said is not None and has_dataset(self.store, said.sha256):
            pairs = said
        circuit = read.circuit(model, source, pairs)
        if scores := read.found.scores:
            # In full, so that a file exported again says the same.
            arrays = {"names": np.array(list(scores)), "scores": np.array(list(scores.values()))}
            saved = {"scores": self.artifacts.save_by_content("scores", arrays)}
            circuit = circuit.model_copy(update={"artifacts": saved})
        self.store.write(lambda tx: write_imported(tx, circuit, read.dataset))
        return read_circuit(self.store, circuit.circuit_id)

    def compare(self, circuit_ids: Sequence[str], checkpoints: bool) -> Compared:
        """The circuits side by side, as far as their models allow.

        Raises:
            SpecError: Fewer than two; models said to be checkpoints that are none.
        """
        circuits = [read_circuit(self.store, circuit_id) for circuit_id in circuit_ids]
        missing: list[str] = []
        known = [self._known(circuit, missing) for circuit in circuits]
        if checkpoints:
            found = along_training(known)
        else:
            earlier = ancestors(self.store)

            def related(a: str, b: str) -> bool:
                return b in earlier.get(a, ()) or a in earlier.get(b, ())

            found = compare_all(known, related)
        return Compared(found.model_copy(update={"notes": tuple(missing)}), tuple(circuits))

    def _known(self, circuit: CircuitDocument, missing: list[str]) -> Known:
        """The circuit with what its artifacts hold; what is gone or bad is told in `missing`."""
        scores = pairs = None
        try:
            scores = stored_scores(circuit, self.artifacts)
            pairs = self._pairs(circuit)
        except (NotFoundError, ResourceError) as error:
            missing.append(f"circuit {circuit.circuit_id[:12]}: {error}")
        if scores is not None and len(scores) <= circuit.n_edges:
            scores = None  # the kept edges alone
        return Known(circuit, scores, pairs)

    def _pairs(self, circuit: CircuitDocument) -> dict[str, float] | None:
        """The metric of every pair within the circuit, by pair."""
        ref = circuit.artifacts.get("pairs")
        if ref is None:
            return None
        arrays = self.artifacts.load(ref)
        values = arrays["circuit"]
        if values.ndim == 2:  # a row for each circuit of its job
            siblings = jobs.get(self.store, circuit.job_id or "").circuit_ids
            if circuit.circuit_id not in siblings:
                return None
            values = values[siblings.index(circuit.circuit_id)]
        names = zip(arrays["split"].tolist(), arrays["id"].tolist(), strict=True)
        labels = [f"{split} {name}" for split, name in names]
        return dict(zip(labels, values.tolist(), strict=True))

    def derived(self, later: str, earlier: str) -> None:
        """Remember that one stored model is a later checkpoint of the other's run."""
        models = find_model(self.store, later), find_model(self.store, earlier)
        check_checkpoints(*models)
        write_derived(self.store, models[0].fingerprint, models[1].fingerprint)

    def evaluations(self, circuit_id: str) -> list[Evaluated]:
        """What `evaluate` jobs found of a circuit, the oldest first."""
        return [self._evaluated(found) for found in read_evaluations(self.store, circuit_id)]

    def evaluation(self, job_id: str) -> Evaluated:
        """What an `evaluate` job found."""
        return self._evaluated(read_evaluation(self.store, job_id))

    def _evaluated(self, document: CircuitEvaluation) -> Evaluated:
        rows = self.store.rows(EVALUATION_RUN, evaluation_id=document.evaluation_id)
        return Evaluated(document, _run_record(rows[0]) if rows else None)

    def evaluate(self, request: EvaluateRequest) -> Submission:
        """The checked request to judge a circuit.

        Raises:
            SpecError: It is wrong; the message says what to change.
            NotFoundError: No circuit, or more than one, has the id.
            ModelUnavailable: Its model is not where it was, and nobody says where it is.
        """
        circuit = read_circuit(self.store, request.circuit)
        job = None
        if (job_id := circuit.job_id or circuit.evaluation_id) is not None:
            with suppress(NotFoundError):  # a circuit may be older than what is known of its job
                job = jobs.get(self.store, job_id)
        settings = self.settings
        made = build_evaluation(request, circuit, job, settings.limits, settings.cache_dir)
        place = made.placement.model.name
        if settings.local and request.model is None and is_path(place) and not Path(place).exists():
            raise ModelUnavailable(  # the path is another request's: it is not named
                f"the model of circuit {circuit.circuit_id[:12]}, {circuit.model.name!r}, is not "
                "where it was found any more; say where it lies now (--model)"
            )
        return made

    def circuits(self, wanted: CircuitFilter) -> tuple[CircuitSummary, ...]:
        return list_circuits(self.store, wanted)

    def schema(self) -> SchemaSummary:
        return summarise_schema(self.store)

    def cypher(self, text: str, parameters: Mapping[str, Any]) -> Rows:
        """A user's query, within the limits of the settings."""
        return _rows(run_user_query(self.store, text, parameters, **self._query_limits))

    def query(self, name: str, parameters: Mapping[str, Any]) -> Rows:
        """A named question, within the same limits."""
        return _rows(ask(self.store, name, parameters, **self._query_limits))

    @property
    def _query_limits(self) -> dict[str, Any]:
        limits = self.settings.limits
        return {
            "rows": limits.query_rows,
            "seconds": limits.query_seconds,
            "size": limits.query_bytes,
        }


@contextmanager
def connect(settings: Settings, *, worker: bool) -> Generator[Service]:
    """The service of these settings; a local one is started where none runs, and held.

    Raises:
        StoreUnavailable: The graph cannot be reached.
        StoreVersionError: The graph is newer than this code.
    """
    with ExitStack() as stack:
        if settings.local:
            stack.enter_context(hold(settings))
            address = ensure_local(settings, worker=worker).address
        else:
            address = settings.store_address()
        store = stack.enter_context(GraphStore(address, patience=PATIENCE))
        store.migrate()
        yield Service(settings, address, store)


def _rows(found: QueryResult) -> Rows:
    return Rows(found.columns, found.rows, found.cut_by)


def _deserves_another_try(record: JobRecord, wanted: Placement) -> bool:
    if record.state is not JobState.FAILED or record.error is None:
        return record.state is JobState.CANCELLED
    error = error_from_document(record.error.type, record.error.message)
    if isinstance(error, NumericsError):
        # Another device rounds otherwise, and what overflows in half precision may not there.
        elsewhere = Placement.model_validate_json(record.placement).device != wanted.device
        return elsewhere or not error.lasting
    return not error.lasting


def _run_record(row: Mapping[str, Any]) -> RunRecord:
    parsed = {name: json.loads(row[name]) for name in ("versions", "cpu_seconds")}
    return RunRecord.model_validate({**row, **parsed})
