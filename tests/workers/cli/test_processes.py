"""`circuits worker` and an interrupted `circuits run`, as processes where no worker is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from graph_schema.documents.jobs import JobState
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

pytestmark = pytest.mark.slow

CIRCUITS = [sys.executable, "-c", "from workers.cli import main; main()"]


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
            assert job.result(timeout=120).n_edges > 0
    finally:
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=60)
    assert worker.returncode == ExitCode.DONE, err


def test_an_interrupted_run_is_cancelled_and_can_be_run_again(world: World) -> None:
    ask = (*world.ask[:-1], "exact", "--edges", "6", "--chunk", "1")
    run = start(world, "run", *ask)
    with CircuitClient(settings=world.settings) as client:
        end = time.monotonic() + 60
        while not (running := client.jobs("running")):
            assert time.monotonic() < end
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
        assert run.returncode == ExitCode.INTERRUPTED, err
        assert out == ""
        assert "the job is cancelled" in err
        assert "Traceback" not in err
        assert running[0].refresh().state is JobState.CANCELLED
    again = start(world, "run", *ask)
    out, err = again.communicate(timeout=120)
    assert again.returncode == ExitCode.DONE, err
    assert "circuits show" in out
