"""`circuits run`: a job done in this process, whoever had it before."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString

import pytest

from graph_schema.documents.jobs import JobRecord, JobState, Need
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.aged import aged
from tests.workers.tiny import make_tiny, until, worker_settings
from workers.client import CircuitClient
from workers.interrupts import JobInterrupted
from workers.requests.discover import DiscoverRequest, Submission, build_submission
from workers.running.inline import do_here, run_here

LOCK: LiteralString = "MATCH (j:Job {job_id: $job_id}) RETURN j.lock AS lock"


@dataclass
class Asked:
    """A client, a request, and the job of it that a process which is not this one has."""

    client: CircuitClient
    request: DiscoverRequest
    job_id: str

    @property
    def record(self) -> JobRecord:
        return self.client.service.job(self.job_id)


@pytest.fixture
def asked(embedded_store: GraphStore, tmp_path: Path) -> Generator[Asked]:
    tiny = make_tiny(tmp_path / "model", n_pairs=16)
    (tmp_path / "pairs.jsonl").write_bytes(tiny.jsonl)
    request = DiscoverRequest(
        model=str(tiny.folder), dataset=tmp_path / "pairs.jsonl", method="eap", n_edges=20
    )
    settings = worker_settings(tmp_path / "home", embedded_store.address)
    with CircuitClient(settings=settings) as client:
        submission = build_submission(request, settings.limits, settings.cache_dir)
        waiting = client.service.submit(submission, force=False, send=False)
        yield Asked(client, request, waiting.job_id)


def claim(store: GraphStore, job_id: str, lease: float) -> None:
    assert jobs.claim(store, job_id, "other", owner="other", lease=lease, max_attempts=3)


def test_a_job_whose_process_died_is_taken_over(embedded_store: GraphStore, asked: Asked) -> None:
    claim(embedded_store, asked.job_id, 3.0)
    job = run_here(asked.client, asked.request)
    assert job.job_id == asked.job_id
    assert (job.state, job.record.attempts) == (JobState.SUCCEEDED, 2)
    assert run_here(asked.client, asked.request).record == job.record  # done before


def test_a_cancelled_job_whose_process_died_is_not_waited_for(
    embedded_store: GraphStore, asked: Asked
) -> None:
    claim(embedded_store, asked.job_id, 60.0)
    jobs.cancel(embedded_store, asked.job_id)
    aged(embedded_store, asked.job_id)
    assert run_here(asked.client, asked.request).state is JobState.CANCELLED


def test_an_interrupt_asks_the_other_process_to_cancel(
    embedded_store: GraphStore, asked: Asked
) -> None:
    claim(embedded_store, asked.job_id, 3600.0)
    before = embedded_store.rows(LOCK, job_id=asked.job_id)

    def interrupt() -> None:
        """Ctrl-C once the run has asked for the job: nothing else here locks it."""
        until(lambda: embedded_store.rows(LOCK, job_id=asked.job_id) != before)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=interrupt)
    presser.start()
    with pytest.raises(JobInterrupted, match="was asked to cancel; another process does it"):
        run_here(asked.client, asked.request)
    presser.join()
    assert asked.record.state is JobState.RUNNING
    assert jobs.renew(embedded_store, asked.job_id, "other", lease=60.0).cancel_requested


def test_an_interrupt_cancels_what_was_submitted_with_the_job(
    embedded_store: GraphStore, asked: Asked
) -> None:
    """One needed job has ended, one is another process's, one waits: none is left to start."""
    settings = asked.client.settings

    def submission(seed: int, *before: Submission) -> Submission:
        built = build_submission(
            replace(asked.request, seed=seed), settings.limits, settings.cache_dir
        )
        needs = tuple(Need(job_id=each.spec.job_id) for each in before)
        return replace(built, needs=needs, before=before)

    done, elsewhere, waits = submission(1), submission(2), submission(3)
    last = submission(4, done, elsewhere, waits)
    assert do_here(asked.client, done).state is JobState.SUCCEEDED
    asked.client.service.submit(elsewhere, force=False, send=False)
    claim(embedded_store, elsewhere.spec.job_id, 3600.0)

    def interrupt() -> None:
        until(lambda: bool(embedded_store.rows(LOCK, job_id=last.spec.job_id)))
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=interrupt)
    presser.start()
    with pytest.raises(JobInterrupted, match=r"is cancelled; .* with it 2 of the jobs"):
        do_here(asked.client, last)
    presser.join()
    states = [asked.client.service.job(each.spec.job_id).state for each in (done, waits, last)]
    assert states == [JobState.SUCCEEDED, JobState.CANCELLED, JobState.CANCELLED]
    theirs = elsewhere.spec.job_id
    assert jobs.renew(embedded_store, theirs, "other", lease=60.0).cancel_requested
