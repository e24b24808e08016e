"""`jobs --watch`: a line when something changes, a table on a terminal, and an end."""

from __future__ import annotations

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli import watching
from workers.cli.exits import ExitCode
from workers.cli.output import emit
from workers.client import CircuitClient


def test_a_change_is_a_line_and_the_end_of_all_jobs_the_end(
    circuits: Circuits, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.1)
    none = circuits("jobs", "--watch", world=world)
    assert (none.code, none.out) == (ExitCode.DONE, "")
    asked = circuits("submit", *world.ask, "--edges", 5, "--json", world=world)
    job = asked.json()["job_id"]

    def emit_and_cancel(text: str) -> None:
        emit(text)
        with CircuitClient(settings=world.settings) as client:
            client.job(job).cancel()

    monkeypatch.setattr(watching, "emit", emit_and_cancel)
    ran = circuits("jobs", "--watch", world=world)
    first, last = ran.out.splitlines()
    assert first.split()[1:4] == [job[:12], "discover", "queued"]
    assert last.split()[1:4] == [job[:12], "discover", "cancelled"]

    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    seen = circuits("jobs", "--watch", world=world)
    assert seen.code == ExitCode.DONE
    assert f"{job[:12]}  discover  cancelled" in seen.out
    assert circuits("jobs", "--watch", "--json", world=world).code == ExitCode.REQUEST
