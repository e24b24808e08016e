"""`circuits delete`: names what goes, asks, and deletes that."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode


def test_a_circuit_is_deleted_with_its_job_and_found_anew(circuits: Circuits, world: World) -> None:
    found = circuits("run", *world.ask, "--edges", 20, "--json", world=world).json()
    short = found["circuit_id"][:12]
    asked = circuits("delete", short, world=world)
    assert asked.code == ExitCode.REQUEST
    assert f"1 circuit: {short} ({found['n_edges']} edges)" in asked.out
    assert f"1 job: {found['job_id'][:12]}" in asked.out
    assert "artifact file" in asked.out
    assert f"circuits delete {short} --yes" in asked.err
    assert circuits("show", short, world=world).code == ExitCode.DONE, "nothing is deleted"

    told = circuits("delete", short, "--yes", "--json", world=world).json()
    assert (told["circuits"], told["jobs"]) == ([found["circuit_id"]], [found["job_id"]])
    assert circuits("show", short, world=world).code == ExitCode.REQUEST
    assert circuits("job", found["job_id"], world=world).code == ExitCode.REQUEST
    again = circuits("run", *world.ask, "--edges", 20, "--json", world=world).json()
    assert again["circuit_id"] == found["circuit_id"]


@pytest.mark.parametrize(("answer", "left"), [("n\n", ExitCode.DONE), ("y\n", ExitCode.REQUEST)])
def test_who_is_at_a_terminal_is_asked(
    circuits: Circuits,
    world: World,
    answer: str,
    left: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = circuits("run", *world.ask, "--edges", 10, "--json", world=world).json()
    typed = io.StringIO(answer)
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    assert circuits("delete", found["circuit_id"], world=world).code == ExitCode.DONE
    assert circuits("show", found["circuit_id"], world=world).code == left


def test_gc_says_what_it_would_remove_and_removes_it(
    circuits: Circuits, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = circuits("run", *world.ask, "--edges", 15, "--json", world=world).json()
    artifacts = Path(world.settings.artifacts_url)
    monkeypatch.setenv("CIRCUITS_ARTIFACTS", str(artifacts))
    assert circuits("gc", world=world).out == "nothing to remove\n"
    circuits("delete", found["circuit_id"], "--yes", world=world)
    files = [path for path in artifacts.rglob("*.safetensors") if path.is_file()]
    then = time.time() - 2 * 86_400
    for path in files:
        os.utime(path, (then, then))
    told = circuits("gc", "--dry-run", "--json", world=world).json()
    assert told["dry_run"]
    assert told["bytes"] > 0
    assert all((artifacts / name).exists() for name in told["artifacts"]["names"])
    ran = circuits("gc", world=world)
    assert ran.code == ExitCode.DONE
    assert f"removed {told['bytes']:,} bytes of files" in ran.out
    assert not any((artifacts / name).exists() for name in told["artifacts"]["names"])


def test_a_retention_that_is_none_is_refused(
    circuits: Circuits, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUITS_KEEP_FAILED_DAYS", "-1")
    ran = circuits("gc", world=world)
    assert ran.code == ExitCode.REQUEST
    assert "CIRCUITS_KEEP_FAILED_DAYS" in ran.err
