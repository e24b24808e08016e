"""A job waits for a worker that can serve it, charged nothing, on both brokers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import live_workers
from graph_schema.store.servers.java import JavaServer
from tests.workers import tiny as made
from tests.workers.held import held
from tests.workers.tiny import Place, submit, until, worker_settings
from workers import broker
from workers.client.served import Serving

pytestmark = pytest.mark.slow

START_SECONDS = 400.0
"""A worker loads torch, and a machine may be busy."""


@pytest.fixture(params=["folder", pytest.param("redis", marks=pytest.mark.needs_redis)])
def place(
    request: pytest.FixtureRequest, embedded_store: GraphStore, arcadedb: JavaServer, tmp_path: Path
) -> Place:
    url = request.getfixturevalue("empty_redis") if request.param == "redis" else None
    settings = worker_settings(tmp_path, arcadedb.address, url)
    # A message that is on its way is not sent once more, however long that takes: they are counted.
    settings = settings.model_copy(update={"resend_seconds": 3600.0})
    return Place(embedded_store, settings)


def test_a_job_waits_for_a_worker_that_serves_it_and_is_charged_nothing(
    place: Place, tmp_path: Path
) -> None:
    """The small worker is handed its message all the same, as an older client would send it."""
    tiny = made.make_tiny(tmp_path / "tiny", n_layers=1, n_pairs=16)
    large = tiny.placement.model_copy(update={"memory_gib": 40})
    store, settings = place.store, place.settings
    waiting = submit(store, settings, tiny.spec(store, 1), large)

    def why() -> str:
        return Serving(store, settings).waits([jobs.get(store, waiting)])[waiting]

    assert why() == "waits for a worker with cpu and 64 GiB; no worker is live"
    app = broker.make_app(settings)
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("circuits.cpu-64g")
    placed = {"placement": tiny.placement.canonical_json()}
    broker.send(app, jobs.get(store, waiting).model_copy(update=placed))
    unsaid = "MATCH (j:Job {job_id: $id}) REMOVE j.resources"
    store.write(lambda tx: tx.run(unsaid, id=waiting).consume())
    doing = place.submit(tiny, 2)
    with _worker(place, "--serves", "cpu:8", "--once") as small:
        with held(settings.home):  # else it may be done and gone before it is seen
            until(lambda: len(live_workers(store)) == 1, START_SECONDS)
            assert why().endswith("64 GiB; the 1 worker that lives serves cpu with 8 GiB")
        assert small.wait(START_SECONDS) == 0
    assert jobs.get(store, doing).state is JobState.SUCCEEDED
    record = jobs.get(store, waiting)
    assert (record.state, record.attempts) == (JobState.QUEUED, 0)
    assert live_workers(store) == ()
    depths = {name: n for name, n in broker.queue_depths(app).items() if n}
    assert depths == {"cpu-64g": 1}, "the message that went astray was sent where it belongs"
    app.close()
    with _worker(place, "--serves", "cpu:64", "--idle-exit", "0.5") as fitting:
        assert fitting.wait(START_SECONDS) == 0
    record = jobs.get(store, waiting)
    assert (record.state, record.attempts, record.error) == (JobState.SUCCEEDED, 1, None)
    small_log, fitting_log = sorted(settings.home.glob("worker*.log"))
    assert "is left to a worker with cpu and 64 GiB" in small_log.read_text()
    assert "a job is done: this worker ends" in small_log.read_text()
    assert "no job waits any more that this worker serves" in fitting_log.read_text()


@contextmanager
def _worker(place: Place, *options: str) -> Generator[subprocess.Popen[bytes]]:
    """`circuits worker`, whose jobs can be held; killed at the end where it has not ended."""
    words = [sys.executable, "-m", "tests.workers.held", "worker", *options]
    env = place.settings.environment()
    with (place.settings.home / f"worker{time.monotonic_ns()}.log").open("wb") as log:
        process = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
