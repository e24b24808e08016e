"""A result in parts: nobody sees half of it, whatever happens to its worker between two of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from neo4j import Transaction

from graph_schema.documents import CircuitDocument
from graph_schema.documents.jobs import JobProgress, JobRecord, JobState
from graph_schema.errors import LeaseLost, ResourceError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import circuit_drafts
from graph_schema.store.records.circuit_drafts import Part, parts_of, write_found
from graph_schema.store.records.circuit_list import list_circuits
from graph_schema.store.records.circuits import read_circuit
from tests.aged import aged
from tests.factories import made_edges, make_circuit, make_model, make_run
from tests.graph_schema.store.test_jobs import claim, queued, state
from workers.job.lease import Lease
from workers.running.lifecycle import Performer, Work
from workers.settings import Settings

MODEL = make_model("made/wide", n_layers=4, n_heads=8)
UNUSED: dict[str, Any] = {"graph": "bolt://unused"}
N_NODES = "MATCH (n:CircuitNode) RETURN count(n) AS n"
N_EDGES = "MATCH (:CircuitNode)-[e:EDGE]->(:CircuitNode) RETURN count(e) AS n"
HALF_WAY = 4
"""The part that begins the second circuit's edges, of nine."""


def three_circuits(shift: float = 0.0) -> tuple[CircuitDocument, ...]:
    edges = made_edges(90, n_layers=4, n_heads=8)
    if shift:
        edges = tuple(e.model_copy(update={"score": (e.score or 0) + shift}) for e in edges)
    return tuple(make_circuit(edges[:n], model=MODEL) for n in (90, 80, 60))


@dataclass
class Sweep:
    """Three circuits, and what happens before each part but the first."""

    circuits: tuple[CircuitDocument, ...]
    between: Callable[[int], None] = lambda number: None

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return tuple(circuit.circuit_id for circuit in self.circuits)

    def parts(self) -> list[Part]:
        def spoilt(number: int, part: Part) -> Part:
            def write(tx: Transaction) -> bool:
                if number:
                    self.between(number)
                return part.write(tx)

            return Part(part.circuit_id, write)

        found = parts_of(self.circuits, make_run())
        return [spoilt(number, part) for number, part in enumerate(found)]

    def write(self, tx: Transaction) -> None:
        write_found(tx, self.circuits, make_run())


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_drafts, "MOST_EDGES", 50)


@pytest.fixture
def performer(store: GraphStore, tmp_path: Path) -> Generator[Performer]:
    settings = Settings(home=tmp_path, max_attempts=9, **UNUSED)
    made = Performer(settings, store.address, "here", nowhere, patience=60)
    yield made
    made.close()


def doing(sweep: Sweep) -> Work:
    def work(record: JobRecord, run_id: str, lease: Lease) -> Sweep:
        return sweep

    return work


def nowhere(job_ids: Iterable[str]) -> None:
    """Send nothing."""


def test_a_sweep_is_stored_in_parts_and_then_seen(store: GraphStore, performer: Performer) -> None:
    seen: list[int] = []
    sweep = Sweep(three_circuits(), lambda number: seen.append(len(list_circuits(store))))
    job_id = queued(store)
    assert performer.perform(job_id, doing(sweep))
    assert jobs.get(store, job_id).circuit_ids == sweep.circuit_ids
    assert seen == [0] * 8
    assert [read_circuit(store, each) for each in sweep.circuit_ids] == list(sweep.circuits)
    assert jobs.left_drafts(store) == {}


KILLED = """
import os, signal, sys
from pathlib import Path
from graph_schema.store.records import circuit_drafts
from tests.workers.running.test_parts import HALF_WAY, Sweep, doing, nowhere, three_circuits
from workers.running.lifecycle import Performer
from workers.settings import read_settings

circuit_drafts.MOST_EDGES = 50

def between(number):
    if number == HALF_WAY:
        os.kill(os.getpid(), signal.SIGKILL)

settings = read_settings()
performer = Performer(settings, settings.store_address(), "killed", nowhere)
performer.perform(sys.argv[1], doing(Sweep(three_circuits(1.0), between)))
"""
"""Is killed while it stores the second of three circuits, with other scores than the next attempt
will find."""


def test_a_worker_that_is_killed_between_two_parts_leaves_nothing_that_is_seen(
    store: GraphStore, performer: Performer, tmp_path: Path
) -> None:
    job_id, address = queued(store), store.address
    theirs = Settings(home=tmp_path, **UNUSED).at(address)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, job_id],
        env=theirs.environment() | {"PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert state(store, job_id) is JobState.RUNNING
    assert store.rows(N_NODES)[0]["n"] > 0
    assert list_circuits(store) == ()
    jobs.release_owner(store, "killed", max_attempts=9)
    sweep = Sweep(three_circuits())
    assert performer.perform(job_id, doing(sweep))
    assert [read_circuit(store, each) for each in sweep.circuit_ids] == list(sweep.circuits)


def test_a_worker_that_lost_its_lease_between_two_parts_writes_nothing_more(
    store: GraphStore, performer: Performer
) -> None:
    job_id, stored = queued(store), list[dict[str, int]]()

    def lose(stage: str, done: int, total: int) -> None:
        if stage == "storing" and done == HALF_WAY:
            jobs.release_owner(store, "here", max_attempts=9)
            assert claim(store, job_id, "other")
            stored.extend(store.rows(N_EDGES))

    performer.perform(job_id, doing(Sweep(three_circuits())), report=lose)
    assert store.rows(N_EDGES) == stored
    assert list_circuits(store) == ()
    assert state(store, job_id) is JobState.RUNNING
    for part in parts_of(three_circuits(), make_run()):
        step = JobProgress(stage="storing", done=0, total=1)
        with pytest.raises(LeaseLost):
            jobs.write_part(store, job_id, "asleep", part.write, draft="d", lease=60, progress=step)
    assert store.rows(N_EDGES) == stored


def test_a_job_that_is_cancelled_between_two_parts_leaves_nothing(
    store: GraphStore, performer: Performer
) -> None:
    job_id = queued(store)

    def cancel(stage: str, done: int, total: int) -> None:
        if stage == "storing" and done == HALF_WAY:
            jobs.cancel(store, job_id)

    performer.perform(job_id, doing(Sweep(three_circuits())), report=cancel)
    assert state(store, job_id) is JobState.CANCELLED
    assert store.rows(N_NODES) == [{"n": 0}]
    assert jobs.left_drafts(store) == {}


def test_parts_of_a_job_that_is_tried_again_stay_until_it_has_failed(
    store: GraphStore, tmp_path: Path
) -> None:
    job_id, nodes = queued(store), list[int]()

    def full(number: int) -> None:
        if number == HALF_WAY:
            raise ResourceError("no room")

    settings = Settings(home=tmp_path, max_attempts=2, put_off_seconds=0, **UNUSED)
    performer = Performer(settings, store.address, "here", nowhere, patience=60)
    for _ in range(2):
        performer.perform(job_id, doing(Sweep(three_circuits(), full)))
        nodes.append(store.rows(N_NODES)[0]["n"])
        aged(store, job_id)
    performer.close()
    assert state(store, job_id) is JobState.FAILED
    assert nodes[0] > 0
    assert nodes[1] == 0


def test_a_worker_that_stops_gives_the_job_back_between_two_parts(
    store: GraphStore, tmp_path: Path
) -> None:
    job_id, told = queued(store), list[int]()

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "storing":
            told.append(done)

    performer = Performer(
        Settings(home=tmp_path, **UNUSED),
        store.address,
        "here",
        nowhere,
        stopping=lambda: len(told) > HALF_WAY,
        patience=60,
    )
    performer.perform(job_id, doing(Sweep(three_circuits())), report=stop)
    performer.close()
    record = jobs.get(store, job_id)
    assert (record.state, record.attempts) == (JobState.QUEUED, 0)
    assert told == [0, 1, 2, 3, 4]
