"""Workers that are stopped and killed in mid-job: their jobs end well, or with the truth."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.workers import tiny as made
from tests.workers.held import held
from tests.workers.tiny import Place, ended, worker, worker_settings, working

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> made.Tiny:
    return made.make_tiny(tmp_path_factory.mktemp("tiny"), n_pairs=40)


@pytest.fixture
def place(embedded_store: GraphStore, tmp_path: Path) -> Place:
    """A place without a worker."""
    return Place(embedded_store, worker_settings(tmp_path, embedded_store.address))


def test_a_graceful_stop_gives_the_job_back_uncharged_and_another_worker_does_it(
    place: Place, tiny: made.Tiny
) -> None:
    job_id = place.submit(tiny, seed=7)
    with held(place.settings.home), worker(place.settings) as first:
        working(place.store, job_id)
        first.send_signal(signal.SIGTERM)
        assert first.wait(120) == 0
        record = jobs.get(place.store, job_id)
        assert (record.state, record.attempts, record.owner) == (JobState.QUEUED, 0, None)
    with worker(place.settings):
        assert ended(place.store, job_id).state is JobState.SUCCEEDED


def test_a_job_whose_main_is_killed_ends_well_after_a_restart(
    place: Place, tiny: made.Tiny
) -> None:
    job_id = place.submit(tiny, seed=8)
    with held(place.settings.home), worker(place.settings) as first:
        working(place.store, job_id)
        children = psutil.Process(first.pid).children()
        first.kill()
        first.wait()
        psutil.wait_procs(children, timeout=120)
        assert not any(child.is_running() for child in children)
    with worker(place.settings):
        record = ended(place.store, job_id)
    assert (record.state, record.attempts) == (JobState.SUCCEEDED, 2)
    assert place.store.rows("MATCH (c:Circuit) RETURN count(c) AS n") == [{"n": 1}]


def test_a_job_that_kills_three_mains_fails_and_its_neighbour_does_not(
    place: Place, tiny: made.Tiny
) -> None:
    poison = place.submit(tiny, seed=9)
    for attempt in (1, 2, 3):
        with held(place.settings.home), worker(place.settings) as main:
            working(place.store, poison, attempt)
            children = psutil.Process(main.pid).children()
            main.kill()
            main.wait()
            psutil.wait_procs(children, timeout=120)  # one that is held no more may end the job
    neighbour = place.submit(tiny, seed=10)
    with worker(place.settings):
        record = ended(place.store, poison)
        assert record.state is JobState.FAILED
        assert record.error is not None
        assert "worker died 3 times" in record.error.message
        assert ended(place.store, neighbour).attempts == 1
