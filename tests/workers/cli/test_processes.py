"""`circuits worker` and an interrupted `circuits run`, as processes where no worker is."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import LiteralString

import pytest

from graph_schema.documents.jobs import JobState, Need
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.workers.held import held
from tests.workers.tiny import until
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient
from workers.requests.discover import DiscoverRequest, Submission, build_submission

pytestmark = pytest.mark.slow

CIRCUITS = [sys.executable, "-m", "tests.workers.held"]


def start(world: World, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CIRCUITS, *words],
        env=world.settings.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_in_the_foreground_works_until_it_is_told_to_stop(world: World) -> None:
    worker = start(world, "worker")
    try:
        with CircuitClient(settings=world.settings) as client:
            job = client.submit(
                model=str(world.model), dataset=world.pairs, method="eap", n_edges=6
            )
            assert job.result(timeout=300).n_edges > 0
    finally:
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=300)
    assert worker.returncode == ExitCode.DONE, err


def test_an_interrupted_run_is_cancelled_and_can_be_run_again(world: World) -> None:
    ask = (*world.ask[:-1], "exact", "--edges", "6")
    with CircuitClient(settings=world.settings) as client:
        with held(world.settings.home):
            run = start(world, "run", *ask)
            until(lambda: bool(client.jobs("running")))
            running = client.jobs("running")
            run.send_signal(signal.SIGINT)
            out, err = run.communicate(timeout=300)
        assert run.returncode == ExitCode.INTERRUPTED, err
        assert out == ""
        assert f"job {running[0].job_id} is cancelled" in err
        assert "Traceback" not in err
        assert running[0].refresh().state is JobState.CANCELLED
    again = start(world, "run", *ask)
    out, err = again.communicate(timeout=300)
    assert again.returncode == ExitCode.DONE, err
    assert "circuits show" in out


LOCK: LiteralString = "MATCH (j:Job {job_id: $job_id}) RETURN j.lock AS lock"


def test_an_interrupt_cancels_what_is_not_done_here(world: World) -> None:
    """One job that cannot be claimed yet, and one that another process does."""
    settings = world.settings
    with CircuitClient(settings=settings) as client, GraphStore(settings.store_address()) as store:

        def submission(seed: int) -> Submission:
            request = DiscoverRequest(
                model=str(world.model), dataset=world.pairs, method="eap", n_edges=6, seed=seed
            )
            return build_submission(request, settings.limits, settings.cache_dir)

        def asked_for(job_id: str) -> bool:
            """Whether the run has tried to claim it: that, and nothing else here, locks it now."""
            return store.rows(LOCK, job_id=job_id)[0]["lock"] != locks[job_id]

        first, waiting, doing = submission(1), submission(2), submission(3)
        client.service.submit(first, force=False, send=False)
        need = Need(job_id=first.spec.job_id, on_failure="fail")
        jobs.submit(store, waiting.spec, waiting.placement, needs=[need])
        client.service.submit(doing, force=False, send=False)
        assert jobs.claim(
            store, doing.spec.job_id, "other", owner="other", lease=3600.0, max_attempts=3
        )
        ids = [waiting.spec.job_id, doing.spec.job_id]
        locks = {job_id: store.rows(LOCK, job_id=job_id)[0]["lock"] for job_id in ids}
        runs = [start(world, "run", *world.ask, "--edges", "6", "--seed", s) for s in ("2", "3")]
        until(lambda: all(asked_for(job_id) for job_id in ids))
        said: list[str] = []
        for run in runs:
            run.send_signal(signal.SIGINT)
        for run in runs:
            out, err = run.communicate(timeout=300)
            assert (run.returncode, out) == (ExitCode.INTERRUPTED, ""), err
            assert "Traceback" not in err
            said.append(err)
        assert f"job {ids[0]} is cancelled" in said[0]
        assert client.job(ids[0]).state is JobState.CANCELLED
        assert f"job {ids[1]} was asked to cancel; another process does it" in said[1]
        assert client.job(ids[1]).state is JobState.RUNNING
        assert client.job(ids[1]).record.cancel_requested
