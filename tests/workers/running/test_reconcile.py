"""What nobody works on is sent again or settled."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from celery import Celery

from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.aged import aged
from tests.graph_schema.store.test_jobs import queued
from tests.workers.tiny import until
from workers import broker
from workers.running.reconcile import Reconciler
from workers.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, resend_seconds=600, max_attempts=2, graph="bolt://unused")


@pytest.fixture
def app(settings: Settings) -> Generator[Celery]:
    made = broker.make_app(settings)
    yield made
    made.close()


@pytest.fixture
def reconciler(settings: Settings, embedded_store: GraphStore, app: Celery) -> Reconciler:
    return Reconciler(settings, embedded_store, app, "me")


def claim(store: GraphStore, job_id: str, owner: str) -> None:
    assert jobs.claim(store, job_id, "t" + owner, owner=owner, lease=3600, max_attempts=9)


def test_a_lost_message_is_sent_again_once(reconciler: Reconciler, app: Celery) -> None:
    job_id = queued(reconciler.store)
    reconciler.once()
    assert broker.queue_depth(app) == 0  # it may still be on its way
    aged(reconciler.store, job_id)
    for _ in range(3):
        reconciler.once()
    assert broker.queue_depth(app) == 1


def test_a_lapsed_job_is_sent_again_and_in_the_end_fails(
    reconciler: Reconciler, app: Celery
) -> None:
    job_id = queued(reconciler.store)
    for attempt, expected in ((1, JobState.QUEUED), (2, JobState.FAILED)):
        claim(reconciler.store, job_id, f"dead{attempt}")
        aged(reconciler.store, job_id)
        reconciler.once()
        assert jobs.get(reconciler.store, job_id).state is expected
    assert broker.queue_depth(app) == 1


def test_the_jobs_of_a_dead_main_are_sent_at_once(
    reconciler: Reconciler, app: Celery, settings: Settings
) -> None:
    from workers.running.owner import owner_name

    job_id = queued(reconciler.store)
    with owner_name(settings.home) as owner:
        claim(reconciler.store, job_id, owner)
        reconciler.once()
        assert jobs.get(reconciler.store, job_id).state is JobState.RUNNING
    # What a kill leaves behind: the file, and no lock on it.
    (settings.home / "owners" / f"{owner}.lock").touch()
    reconciler.once()
    assert jobs.get(reconciler.store, job_id).state is JobState.QUEUED
    assert broker.queue_depth(app) == 1


def test_a_lost_child_gives_its_job_back_at_once(reconciler: Reconciler, app: Celery) -> None:
    job_id, other = queued(reconciler.store), queued(reconciler.store)
    for each in (job_id, other):
        claim(reconciler.store, each, "me")
    with reconciler:
        reconciler.child_lost(job_id)
        until(lambda: broker.queue_depth(app) == 1)
    assert jobs.get(reconciler.store, job_id).state is JobState.QUEUED
    assert jobs.get(reconciler.store, other).state is JobState.RUNNING


def test_a_lost_child_is_heard_before_all_that_a_queue_lost_is_sent_again(
    reconciler: Reconciler, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.running.reconcile.AT_ONCE", 2)
    for _ in range(5):
        aged(reconciler.store, queued(reconciler.store))
    reconciler.child_lost("a" * 64)
    reconciler.once()
    assert broker.queue_depth(app) == 2
    with reconciler:
        until(lambda: broker.queue_depth(app) == 5)
