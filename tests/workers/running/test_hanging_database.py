"""A database or broker that takes calls and never answers holds up no time limit and no stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graph_schema.documents import Limits
from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import JobFailed
from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.doors import door, graph_behind_a_door
from tests.graph_schema.store.test_jobs import queued
from tests.workers import tiny as made
from tests.workers.held import held
from tests.workers.running.test_lifecycle import HOUR, Nothing, call_back
from tests.workers.tiny import Place, ended, until, worker, worker_settings, working
from workers.job.lease import Lease
from workers.running.lifecycle import Performer
from workers.running.worker import HANG_SECONDS
from workers.settings import Settings


@pytest.mark.timeout(400)
def test_a_job_has_had_its_time_though_the_database_hangs(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path,
        graph="bolt://unused",
        cancel_seconds=HOUR,
        lease_seconds=600.0,
        limits=Limits(job_seconds=6.0),
    )
    stopped: list[float] = []
    with graph_behind_a_door(embedded_store.address) as (address, way):

        def work(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
            way.hang()
            lease("scores", 1, 9)  # news, that the lease cannot carry to the graph
            began = time.monotonic()
            try:
                return call_back(lease)
            except JobFailed:
                stopped.append(time.monotonic() - began)
                raise
            finally:
                way.go_on()

        performer = Performer(settings, address, "bench", lambda job_ids: None, patience=120)
        job_id = queued(embedded_store)
        assert performer.perform(job_id, work)
        performer.close()
    record = jobs.get(embedded_store, job_id)
    assert record.state is JobState.FAILED
    assert record.error is not None
    assert "longer than 6 s" in record.error.message
    assert stopped[0] < 60.0


DEAF = """
import sys, time
from pathlib import Path
from graph_schema.errors import JobCancelled
from graph_schema.store.connection import StoreAddress
from workers.running.lifecycle import Performer
from workers.settings import Settings

def work(record, run_id, lease):
    while True:
        try:
            lease.check()
        except JobCancelled:
            print("seen", flush=True)
            time.sleep(3600)
        time.sleep(0.05)

uri, user, password, job_id, home = sys.argv[1:]
settings = Settings(home=Path(home), lease_seconds=30.0, cancel_seconds=3.0, graph=uri)
Performer(settings, StoreAddress(uri, user, password), "deaf", print).perform(job_id, work)
"""


@pytest.mark.timeout(400)
def test_a_cancel_that_was_seen_is_obeyed_though_the_database_hangs(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    job_id = queued(embedded_store)
    with graph_behind_a_door(embedded_store.address) as (address, way):
        told = [address.uri, address.user, address.password, job_id, str(tmp_path)]
        command = [sys.executable, "-c", DEAF, *told]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                until(lambda: jobs.get(embedded_store, job_id).state is JobState.RUNNING)
                jobs.cancel(embedded_store, job_id)
                assert process.stdout is not None
                assert process.stdout.readline() == "seen\n"
                way.hang()
                assert process.wait(90) == 1
            finally:
                process.kill()


def soon(settings: Settings) -> Settings:
    """Of a worker that is to stop soon."""
    return settings.model_copy(update={"cancel_seconds": 1.0})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_stops_in_time_though_the_database_hangs(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    tiny = made.make_tiny(tmp_path / "tiny", n_pairs=40)
    with graph_behind_a_door(embedded_store.address) as (address, way):
        settings = soon(worker_settings(tmp_path, address))
        place = Place(embedded_store, settings)
        with held(tmp_path), worker(settings) as process:
            job_id = place.submit(tiny, seed=1)
            working(place.store, job_id)
            way.hang()
            time.sleep(2.0)  # its threads are then in the middle of asking
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            assert time.monotonic() - began < settings.cancel_seconds + HANG_SECONDS + 5.0
            process.returncode = 0  # however it ended: that is another matter
    assert jobs.get(embedded_store, job_id).state is JobState.RUNNING


@pytest.mark.slow
@pytest.mark.needs_redis
@pytest.mark.timeout(600)
def test_a_worker_stops_in_time_though_the_broker_hangs(
    embedded_store: GraphStore, tmp_path: Path, empty_redis: str
) -> None:
    tiny = made.make_tiny(tmp_path / "tiny", n_pairs=40)
    with reserved_port() as port, door(port, empty_redis) as way:
        broker_url = f"redis://127.0.0.1:{port}/0"
        settings = soon(worker_settings(tmp_path, embedded_store.address, broker_url))
        with worker(settings) as process:
            place = Place(embedded_store, settings)
            ended(place.store, place.submit(tiny, seed=2))  # it has started, and is idle
            way.hang()
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            assert time.monotonic() - began < settings.cancel_seconds + HANG_SECONDS + 5.0
            process.returncode = 0
