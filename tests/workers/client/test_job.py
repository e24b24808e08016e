"""A job seen from outside: its states, its errors, and waiting for it."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from graph_schema.documents.jobs import ErrorDocument, JobProgress, JobState
from graph_schema.errors import (
    JobCancelled,
    JobFailed,
    NonFiniteError,
    NotFoundError,
    ResourceError,
    SpecError,
    StoreUnavailable,
)
from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from tests.doors import door
from tests.workers.tiny import until
from tests.workers.world import World
from workers.client import CircuitClient, Job


def submitted(client: CircuitClient, world: World, n_edges: int) -> Job:
    return client.submit(model=str(world.model), dataset=world.pairs, method="eap", n_edges=n_edges)


def claimed(client: CircuitClient, job: Job) -> str:
    """The token of a worker that has the job."""
    token = uuid4().hex
    store = client.service.store
    assert jobs.claim(store, job.job_id, token, owner="test", lease=3600.0, max_attempts=9)
    return token


def test_the_same_request_is_the_same_job(client: CircuitClient, world: World) -> None:
    job = submitted(client, world, 11)
    assert submitted(client, world, 11).job_id == job.job_id
    assert client.job(job.job_id[:10]).job_id == job.job_id
    assert job.job_id in [known.job_id for known in client.jobs("queued")]
    assert job.state is JobState.QUEUED
    assert job.progress is None
    assert job.error is None


def test_progress_is_seen_and_waiting_can_be_given_up(client: CircuitClient, world: World) -> None:
    job = submitted(client, world, 12)
    token = claimed(client, job)
    step = JobProgress(stage="scores", done=3, total=9)
    jobs.renew(client.service.store, job.job_id, token, lease=3600.0, progress=step)
    with pytest.raises(TimeoutError, match=rf"job {job.job_id} is running after 1 s"):
        job.result(timeout=1.0)
    assert job.progress == step
    assert job.refresh().state is JobState.RUNNING


@pytest.mark.parametrize(
    ("kind", "raised"),
    [("NonFiniteError", NonFiniteError), ("ResourceError", ResourceError), ("New", JobFailed)],
)
def test_the_result_raises_what_the_job_failed_with(
    client: CircuitClient, world: World, kind: str, raised: type[Exception]
) -> None:
    job = submitted(client, world, 13)
    token = claimed(client, job)
    jobs.fail(client.service.store, job.job_id, token, ErrorDocument(type=kind, message="m3: NaN"))
    with pytest.raises(raised, match="m3: NaN"):
        job.result(timeout=120)
    again = submitted(client, world, 13)
    tried_again = raised is not NonFiniteError
    assert again.state is (JobState.QUEUED if tried_again else JobState.FAILED)
    forced = client.submit(
        model=str(world.model), dataset=world.pairs, method="eap", n_edges=13, force=True
    )
    assert forced.job_id == job.job_id
    assert forced.state is JobState.QUEUED


def test_a_cancelled_job_says_so_and_starts_anew_when_asked_again(
    client: CircuitClient, world: World
) -> None:
    job = submitted(client, world, 14)
    assert job.cancel().state is JobState.CANCELLED
    with pytest.raises(JobCancelled, match=job.job_id):
        job.result()
    assert submitted(client, world, 14).state is JobState.QUEUED


def test_a_request_for_a_running_job_says_what_it_does_not_change(
    client: CircuitClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    job = submitted(client, world, 18)
    claimed(client, job)
    submitted(client, world, 18)
    assert "runs already" not in caplog.text
    asked = {"model": str(world.model), "dataset": world.pairs, "method": "eap", "n_edges": 18}
    again = client.submit(**asked, priority=9, chunk=2)
    assert again.job_id == job.job_id
    assert "priority is 5, not 9; that is not changed" in caplog.text
    assert f"circuits cancel {job.job_id[:12]}" in caplog.text


def test_what_is_asked_wrongly_is_refused(client: CircuitClient) -> None:
    with pytest.raises(NotFoundError, match="beef"):
        client.job("beef")
    with pytest.raises(NotFoundError, match="beef"):
        client.circuit("beef")
    with pytest.raises(SpecError, match="limit is 0"):
        client.jobs(limit=0)
    with pytest.raises(SpecError, match="unknown state 'done'"):
        client.jobs("done")
    with pytest.raises(SpecError, match="colour"):
        client.circuits(colour="red")


def test_waiting_outlives_a_database_that_is_away(
    client: CircuitClient,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("workers.client.service.PATIENCE", 0.2)
    job = submitted(client, world, 15)
    with reserved_port() as port:
        settings = world.settings.model_copy(update={"graph": f"bolt://127.0.0.1:{port}"})
        with CircuitClient(settings=settings) as other:
            seen = Job(other, job.record)
            waiter = threading.Thread(target=lambda: seen.wait(progress=False))
            waiter.start()
            until(lambda: "still waiting for job" in caplog.text)
            job.cancel()
            with door(port, world.settings.graph or ""):
                waiter.join()
                other.close()
            assert seen.state is JobState.CANCELLED


def test_a_database_that_stays_away_is_told(
    client: CircuitClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.client.service.PATIENCE", 0.1)
    monkeypatch.setattr("workers.client.job.PATIENCE", 0.5)
    job = submitted(client, world, 16)
    with reserved_port() as port:
        settings = world.settings.model_copy(update={"graph": f"bolt://127.0.0.1:{port}"})
        with CircuitClient(settings=settings) as other, pytest.raises(StoreUnavailable):
            Job(other, job.record).result()
