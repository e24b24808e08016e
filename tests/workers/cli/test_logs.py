"""`circuits logs`: what a worker logged of a job (see `test_local_service`), or where that is."""

from __future__ import annotations

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode


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
