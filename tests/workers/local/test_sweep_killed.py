"""A sweep whose every process is killed in the middle, and asked for again: each job once."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.sweep_killed import killed_and_resumed, make_sweep
from tests.workers.held import held
from workers.local import service as local
from workers.settings import Settings

pytestmark = pytest.mark.slow

JOBS = 8
THIRD = 3


def test_a_sweep_that_was_killed_does_each_job_once_when_asked_again(
    settings: Settings, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.workers.held\n')
    python.chmod(0o755)
    settings = settings.model_copy(update={"worker_python": python})
    with local.hold(settings):  # a home that somebody has used may hold what is none of its own
        local.ensure_local(settings, worker=False)
    file = make_sweep(tmp_path, n_models=2, n_tasks=1, n_seeds=2)
    with ExitStack() as hold:
        hold.enter_context(held(settings.home, THIRD))
        outcome = killed_and_resumed(settings, file, hold.close)
    assert (outcome.ended_before, outcome.running) == (THIRD, 1)
    assert [row["state"] for row in outcome.rows] == ["succeeded"] * JOBS
    assert len({row["circuit"] for row in outcome.rows} - {None}) == JOBS
    assert outcome.changed == 0
    assert outcome.runs == outcome.circuits == [1] * JOBS
    assert sorted(outcome.attempts) == [1] * (JOBS - 1) + [2]
