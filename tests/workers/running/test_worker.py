"""Jobs through a real worker that runs all the time, on both stores and both brokers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psutil
import pytest
import redis

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents.jobs import JobState
from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit
from graph_schema.store.servers.java import JavaServer
from tests.workers import tiny as made
from tests.workers.held import held
from tests.workers.running.test_metrics import Figures, answered, scraped
from tests.workers.tiny import Place, ended, until, worker, worker_settings, working

pytestmark = pytest.mark.slow

CLUSTER = pytest.param("neo4j and redis", marks=[pytest.mark.needs_neo4j, pytest.mark.needs_redis])
LOST = ("circuits_children_lost_total",)

LONGER: LiteralString = """
MATCH (j:Job {job_id: $job_id, state: 'running', attempts: 1})
SET j.lease_until = j.lease_until + 3600000
"""
"""The lease of a job that was not given back yet: nobody waits for its end."""


@dataclass
class Running(Place):
    """A place with a worker that runs all the time."""

    worker: subprocess.Popen[bytes]

    def figures(self) -> Figures:
        """What the worker tells, once it has started."""
        found: list[Figures] = []

        def told() -> bool:
            assert self.settings.metrics_port is not None
            with suppress(OSError):  # nobody listens yet, or has an answer
                found.append(scraped(self.settings.metrics_port))
            return bool(found)

        until(told)
        return found[0]

    def settled(self) -> Figures:
        """The same, once every attempt is told to be over: after its end in the graph."""
        found = self.figures()

        def all_over() -> bool:
            found.clear()
            found.update(self.figures())
            over = _total(found, "circuits_jobs_ended_total") + found[LOST]
            return _total(found, "circuits_jobs_started_total") == over

        until(all_over)
        return found


def _total(figures: Figures, name: str) -> float:
    return sum(value for labels, value in figures.items() if labels[0] == name)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> made.Tiny:
    return made.make_tiny(tmp_path_factory.mktemp("tiny"), n_pairs=40)


@pytest.fixture(scope="module", params=["arcadedb and a folder", CLUSTER])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Running]:
    home = tmp_path_factory.mktemp("running")
    both = request.param != "arcadedb and a folder"
    server: JavaServer = request.getfixturevalue("neo4j" if both else "arcadedb")
    url = request.getfixturevalue("redis_url") if both else None
    if url is not None:
        with redis.Redis.from_url(url) as client:
            client.flushall()
    settings = worker_settings(home, server.address, url)
    with reserved_port() as port, GraphStore(server.address) as store:
        settings = settings.model_copy(update={"metrics_port": port})
        store.migrate()
        store.write(lambda tx: tx.run("MATCH (n) WHERE NOT n:Schema DETACH DELETE n").consume())
        with worker(settings) as process:
            yield Running(store, settings, process)


def test_eight_processes_submit_one_job_that_gives_one_circuit(
    running: Running, tiny: made.Tiny, tmp_path: Path
) -> None:
    spec = tiny.spec(running.store, seed=1)
    given = tmp_path / "given.json"
    given.write_text(
        json.dumps({"spec": spec.canonical_json(), "placement": tiny.placement.canonical_json()})
    )
    ran = subprocess.run(
        [sys.executable, "-m", "tests.workers.eight", given],
        env=running.settings.environment(),
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.returncode) == ("1", 0), ran.stderr
    record = ended(running.store, spec.job_id)
    assert (record.state, record.error, record.attempts) == (JobState.SUCCEEDED, None, 1)
    assert len(jobs.list_jobs(running.store)) == 1
    (circuit_id,) = record.circuit_ids
    found = running.store.rows("MATCH (c:Circuit) RETURN c.circuit_id AS id")
    assert found == [{"id": circuit_id}]
    circuit = read_circuit(running.store, circuit_id)
    scores = ArtifactStore(running.settings.artifacts_url).load(circuit.artifacts["scores"])
    assert len(scores["names"]) == len(scores["scores"]) == circuit.n_edges_scored
    (run,) = running.store.rows("MATCH (r:Run) RETURN r.attempt AS attempt, r.cpu_seconds AS cpu")
    assert run["attempt"] == 1
    assert set(json.loads(run["cpu"])) >= {"data", "model", "scores", "evaluation"}


def test_a_bad_request_fails_with_its_own_class_before_weights_are_read(
    running: Running, tiny: made.Tiny
) -> None:
    spec = tiny.spec(running.store, seed=2)
    gone = tiny.placement.model_copy(
        update={"model": tiny.placement.model.model_copy(update={"name": "/no/such/model"})}
    )
    submitted = jobs.submit(running.store, spec, gone)
    assert submitted.send
    until(lambda: jobs.get(running.store, spec.job_id).state.ended)  # the reconciler sends it
    error = jobs.get(running.store, spec.job_id).error
    assert error is not None
    assert error.type == "ModelUnavailable"
    assert "/no/such/model" in error.message


def test_running_and_queued_jobs_are_cancelled(running: Running, tiny: made.Tiny) -> None:
    with held(running.settings.home):
        doing = running.submit(tiny, seed=3)
        working(running.store, doing)
        waiting = running.submit(tiny, seed=4)
        assert jobs.cancel(running.store, waiting)[0].state is JobState.CANCELLED
        assert jobs.cancel(running.store, doing)[0].state is JobState.RUNNING
        assert ended(running.store, doing).state is JobState.CANCELLED
    after = running.submit(tiny, seed=5)
    assert ended(running.store, after).state is JobState.SUCCEEDED
    assert jobs.get(running.store, waiting).state is JobState.CANCELLED


def test_a_killed_child_costs_its_job_an_attempt_and_no_lease(
    running: Running, tiny: made.Tiny
) -> None:
    before = running.figures()
    with held(running.settings.home):
        job_id = running.submit(tiny, seed=6)
        working(running.store, job_id)
        children = psutil.Process(running.worker.pid).children()
        os.kill(max(children, key=lambda child: child.memory_info().rss).pid, signal.SIGKILL)
        running.store.write(lambda tx: tx.run(LONGER, job_id=job_id).consume())
        working(running.store, job_id, attempt=2)
    record = ended(running.store, job_id)
    assert (record.state, record.attempts) == (JobState.SUCCEEDED, 2)
    assert running.figures()[LOST] == before[LOST] + 1


def test_what_a_worker_does_is_told_to_who_scrapes_it(running: Running, tiny: made.Tiny) -> None:
    started, succeeded = ("circuits_jobs_started_total", "discover"), "circuits_jobs_ended_total"
    before = running.settled()
    with held(running.settings.home):
        job_id = running.submit(tiny, seed=60)
        until(lambda: running.figures().get(started, 0.0) == before.get(started, 0.0) + 1)
    ended(running.store, job_id)
    ends = (succeeded, "discover", "succeeded")
    until(lambda: running.figures().get(ends, 0.0) == before.get(ends, 0.0) + 1)
    found = answered(running.figures)
    assert found["circuits_job_seconds_count", "discover"] > 0
    assert found["circuits_memory_bytes", "children"] > found["circuits_memory_bytes", "main"]
    assert ("circuits_jobs", "succeeded") in found
    assert ("circuits_queue_messages", "cpu") in found
    assert not [labels for labels in found if job_id in labels or str(tiny.folder) in labels]
