"""What the client does against graph, queue and artifacts: the part that loads the driver."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from graph_schema.circuit_arrays import stored_scores
from graph_schema.comparing.agreement import PairMetric
from graph_schema.comparing.circuits import Known, along_training, check_checkpoints, compare_all
from graph_schema.documents import CircuitDocument, Split
from graph_schema.documents.jobs import JobRecord, JobState, shards_of
from graph_schema.errors import NotFoundError, ResourceError
from graph_schema.exchange import said_data
from graph_schema.store import jobs
from graph_schema.store.batches import lots
from graph_schema.store.connection import ANSWER_SECONDS, GraphStore, StoreAddress
from graph_schema.store.questions.ask import ask
from graph_schema.store.questions.summary import SchemaSummary, summarise_schema
from graph_schema.store.records.annotations import write_annotation
from graph_schema.store.records.circuit_list import CircuitFilter, CircuitSummary, list_circuits
from graph_schema.store.records.circuits import read_circuit
from graph_schema.store.records.datasets import has_dataset
from graph_schema.store.records.evaluations import read_evaluations
from graph_schema.store.records.imports import write_imported
from graph_schema.store.records.models import ancestors, find_model, write_derived
from graph_schema.store.records.remarks import tagged, tags_of
from graph_schema.store.user_cypher.run import QueryResult, run_user_query
from workers.client.submitting import Submitting
from workers.kinds import Stored, kind_of
from workers.local.service import ensure_local, hold
from workers.requests.exchange import ImportRequest, ReadFile, model_of
from workers.results.circuit import Circuit
from workers.results.comparison import Compared
from workers.results.evaluation import Evaluated
from workers.results.reading import evaluated, stored_circuit, stored_evaluation
from workers.results.rows import Rows
from workers.settings import Settings

if TYPE_CHECKING:
    from neo4j import Transaction

PAGE = 500
PATIENCE = 5.0
"""Seconds until a graph that does not answer counts as away."""


class Service(Submitting):
    """A graph, a queue and an artifact store, connected. Made by `connect`."""

    def cancel(self, job_id: str) -> JobRecord:
        """The job, cancelled or asked to end; what it set free is sent."""
        record, freed = jobs.cancel(self.store, job_id)
        if freed:
            from workers.broker import deliver  # loads Celery, which who only reads has no use for

            deliver(self.store, self.app, freed)
        return record

    def job(self, job_id: str) -> JobRecord:
        return jobs.get(self.store, job_id)

    def records(self, job_ids: Sequence[str]) -> tuple[JobRecord, ...]:
        """The jobs with these ids, in this order; those that are not there are left out."""
        return tuple(each for lot in lots(job_ids, PAGE) for each in jobs.get_all(self.store, lot))

    def jobs(
        self,
        states: tuple[JobState, ...],
        limit: int,
        since: float = 0.0,
        wanted: Callable[[JobRecord], bool] = lambda _: True,
        kind: str | None = None,
    ) -> tuple[JobRecord, ...]:
        """The newest jobs that are wanted; asked for a page at a time."""
        found, skip = dict[str, JobRecord](), 0
        while len(found) < limit:
            page = jobs.list_jobs(
                self.store, states=states, limit=PAGE, skip=skip, since=since, kind=kind
            )
            # One that was submitted meanwhile moves the others on: the last come once more.
            found |= {each.job_id: each for each in page if wanted(each)}
            skip += PAGE
            if len(page) < PAGE:
                break
        return tuple(found.values())[:limit]

    def shards_done(self, records: Sequence[JobRecord]) -> dict[str, str]:
        """Of these jobs those that wait for their shards: by id, how many of them are scored."""
        waiting = [
            each for each in records if each.state is JobState.QUEUED and shards_of(each) > 1
        ]
        of = {need.job_id for record in waiting for need in record.needs}
        states = jobs.states(self.store, of)
        told: dict[str, str] = {}
        for record in waiting:
            done = [states.get(need.job_id) is JobState.SUCCEEDED for need in record.needs]
            told[record.job_id] = f"{sum(done)} of {len(done)} shards scored"
        return told

    def tagged(self, tag: str) -> set[str]:
        """The ids of circuits and jobs with this tag."""
        return tagged(self.store, tag)

    def tags_of(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The tags of those of these circuits and jobs that have any."""
        return tags_of(self.store, ids)

    def anybody_works(self) -> bool:
        """Whether a worker has a job in hand, and is alive as far as its lease says."""
        return jobs.anybody_works(self.store)

    def circuit(self, circuit_id: str) -> Circuit:
        """The circuit, with the run that produced it."""
        return stored_circuit(self.store, self.artifacts, circuit_id)

    def outcome(self, record: JobRecord) -> Any:
        """What a job that succeeded has found, as its kind hands it out."""
        return kind_of(record).outcome(Stored(self.store, self.artifacts), record)

    def import_circuit(self, request: ImportRequest, read: ReadFile) -> CircuitDocument:
        """The stored circuit of a file that was read.

        Raises:
            SpecError: It does not fit the model, or is evaluated and said to be for another task.
        """
        model, source = model_of(request, read.found, self.store, self.settings.cache_dir)
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
        groups = read.groups(circuit)

        def write(tx: Transaction) -> None:
            write_imported(tx, circuit, read.dataset)
            for group in groups:
                write_annotation(tx, group)

        self.store.write(write)
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

    def _pairs(self, circuit: CircuitDocument) -> dict[str, PairMetric] | None:
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
        n = len(arrays["id"])
        # Figures stored by earlier versions name no groups.
        groups = arrays["group"].tolist() if "group" in arrays else [None] * n
        columns = (arrays["id"].tolist(), values.tolist(), arrays["split"].tolist(), groups)
        return {
            f"{split} {name}": PairMetric(value, Split(split), group)
            for name, value, split, group in zip(*columns, strict=True)
        }

    def derived(self, later: str, earlier: str) -> None:
        """Remember that one stored model is a later checkpoint of the other's run."""
        models = find_model(self.store, later), find_model(self.store, earlier)
        check_checkpoints(*models)
        write_derived(self.store, models[0].fingerprint, models[1].fingerprint)

    def evaluations(self, circuit_id: str) -> list[Evaluated]:
        """What `evaluate` jobs found of a circuit, the oldest first."""
        found = read_evaluations(self.store, circuit_id)
        return [evaluated(self.store, document) for document in found]

    def evaluation(self, job_id: str) -> Evaluated:
        """What an `evaluate` job found."""
        return stored_evaluation(self.store, job_id)

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
    with opened(settings, worker=worker) as (address, store):
        store.migrate()
        service = Service(settings, address, store, worker=worker)
        try:
            yield service
        finally:
            service.close()


@contextmanager
def opened(settings: Settings, *, worker: bool) -> Generator[tuple[StoreAddress, GraphStore]]:
    """The graph of these settings, whatever version it has; otherwise as `connect`."""
    with ExitStack() as stack:
        if settings.local:
            stack.enter_context(hold(settings))
            address = ensure_local(settings, worker=worker).address
        else:
            address = settings.store_address()
        answer = max(ANSWER_SECONDS, 2 * settings.limits.query_seconds)
        store = stack.enter_context(GraphStore(address, patience=PATIENCE, answer=answer))
        yield address, store


def _rows(found: QueryResult) -> Rows:
    return Rows(found.columns, found.rows, found.cut_by)
