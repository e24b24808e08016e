"""`circuits logs`: what a worker logged of a job (see `test_local_service`), or where that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli import logs
from workers.cli.exits import ExitCode
from workers.client import CircuitClient
from workers.local.job_log import JobLog


@pytest.fixture
def job_id(circuits: Circuits, world: World) -> str:
    asked = circuits("submit", *world.ask, "--edges", 4, "--json", world=world)
    return str(asked.json()["job_id"])


def test_a_clusters_logs_are_said_to_be_elsewhere(
    circuits: Circuits, world: World, job_id: str
) -> None:
    ran = circuits("logs", job_id[:8], "--follow", world=world)
    assert (ran.code, ran.out) == (ExitCode.DONE, "")
    assert "no worker" in ran.err
    assert f"[{job_id[:12]}]" in ran.err
    assert "kubectl logs" in ran.err


def test_what_is_no_job_or_no_number_of_lines_is_refused(
    circuits: Circuits, world: World, job_id: str
) -> None:
    for words, said in (
        (("logs", "beef"), "'beef'"),
        (("logs", job_id, "--lines", 0), "--lines is 0"),
    ):
        ran = circuits(*words, world=world)
        assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
        assert said in ran.err


def test_what_is_logged_right_after_the_end_is_shown_too(
    world: World,
    job_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As by a worker, which says that a job has succeeded once the graph has it."""
    log = tmp_path / "worker.log"
    line = f"2026-11-29 12:00:00,000 INFO 12 workers.x [{job_id[:12]}]: "
    with CircuitClient(settings=world.settings) as client:
        job = client.job(job_id)

        class Clock:
            """Time in which the worker goes on."""

            def sleep(self, seconds: float) -> None:
                said = "the last" if job.state.ended else "one more"
                log.write_text(f"{log.read_text() if log.exists() else ''}{line}{said}\n")
                client.job(job_id).cancel()

        monkeypatch.setattr(logs, "time", Clock())
        logs._follow(job, JobLog(tmp_path, job_id))
    seen = capsys.readouterr()
    assert seen.out.splitlines() == [f"{line}one more", f"{line}the last"]
    assert f"job {job_id[:12]} is cancelled" in seen.err
