"""Who wants a worker gets one, whatever becomes of the service, or is told that none works."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from graph_schema.documents.jobs import JobState
from tests.workers.tiny import make_tiny, until
from tests.workers.world import World, world
from workers.client import CircuitClient
from workers.local import service as local
from workers.local.ending import down
from workers.local.files import ServiceFiles, locked
from workers.settings import Settings

__all__ = ["world"]


@pytest.mark.slow
def test_a_wish_for_a_worker_outlives_the_end_of_a_service_and_of_a_worker(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = ServiceFiles(settings)
    tiny = make_tiny(tmp_path / "model")
    (tmp_path / "pairs.jsonl").write_bytes(tiny.jsonl)
    ask = partial(
        CircuitClient.submit,
        model=str(tiny.folder),
        dataset=tmp_path / "pairs.jsonl",
        method="eap",
        n_edges=20,
    )
    with CircuitClient(settings=settings, worker=False) as client:
        left = ask(client).job_id
        assert not client.service.anybody_works()
    assert local.status(settings).worker_pid is None
    down(settings)

    with ThreadPoolExecutor() as pool:
        with locked(files.start_lock, fcntl.LOCK_EX):
            starting = pool.submit(local.ensure_local, settings)
            until(files.worker_wanted.exists)
            # What `down` and a service that ends do, between the wish and the start.
            files.worker_wanted.unlink()
        starting.result()
    until(lambda: local.status(settings).worker_pid is not None)
    lost = local.status(settings).worker_pid
    assert lost is not None
    files.worker_wanted.unlink()  # as before, and now the worker is gone as well
    os.kill(lost, signal.SIGKILL)
    until(lambda: local.status(settings).worker_pid is None)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with CircuitClient(settings=settings) as client:
        assert client.job(left).wait(timeout=240).state is JobState.SUCCEEDED
        assert "starting a worker" in capsys.readouterr().err
        assert ask(client, seed=1).wait(timeout=240, progress=False).state is JobState.SUCCEEDED


def test_who_waits_is_told_that_nobody_works(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("workers.client.watch.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("workers.client.watch.QUIET_SECONDS", 0.3)
    caplog.set_level(logging.WARNING)
    with CircuitClient(settings=world.settings) as client:
        job = client.submit(model=str(world.model), dataset=world.pairs, method="eap", n_edges=17)
        with pytest.raises(TimeoutError):
            job.wait(timeout=2, progress=False)
        job.cancel()
    (said,) = [each for each in caplog.messages if "nobody works" in each]
    assert job.job_id in said
    assert "circuits worker" in said
