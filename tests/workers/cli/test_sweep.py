"""`circuits sweep`: a file of many requests, as one table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from graph_schema.documents.jobs import ErrorDocument
from graph_schema.store import jobs
from tests.workers.cli.conftest import Circuits, World
from tests.workers.client.test_job import claimed
from workers.cli.exits import ExitCode
from workers.client import CircuitClient


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    made = tmp_path / "my sweeps" / "mine.yaml"
    made.parent.mkdir()
    made.write_text(
        f"models: {world.model}\ntasks: {world.pairs}\nmethods: [eap, exact]\nedges: [7, 8]\n"
    )
    return made


def test_a_sweep_is_asked_for_shown_ended_and_run_again(
    file: Path, circuits: Circuits, world: World
) -> None:
    asked = circuits("sweep", file, world=world)
    assert asked.code == ExitCode.DONE, asked.err
    assert f"4 queued; follow it: circuits sweep '{file}' --wait" in asked.err
    again = circuits("sweep", file, "--json", world=world).json()
    assert again["states"] == {"queued": 4}
    assert again["name"] == "mine"
    assert [(row["method"], row["edges"]) for row in again["rows"]] == [
        ("eap", 7),
        ("eap", 8),
        ("exact", 7),
        ("exact", 8),
    ]
    assert again["sweep"][:12] in asked.err
    with CircuitClient(settings=world.settings) as client:
        job = client.job(again["rows"][0]["job"])
        broke = ErrorDocument(type="NonFiniteError", message="a score\nis NaN")
        jobs.fail(client.service.store, job.job_id, claimed(client, job), broke)
    ended = circuits("sweep", file, "--cancel", "--csv", world=world)
    first, *others = csv.DictReader(io.StringIO(ended.out))
    assert (first["state"], first["why"]) == ("failed", "NonFiniteError: a score\nis NaN")
    assert [row["state"] for row in others] == ["cancelled"] * 3
    assert "1 failed, 3 cancelled; run again what failed" in ended.err
    waited = circuits("sweep", file, "--wait", world=world)
    assert waited.code == ExitCode.FAILED
    assert "NonFiniteError: a score is NaN" in waited.out
    assert job.job_id[:12] in waited.out
    rerun = circuits("sweep", file, "--rerun-failed", "--json", world=world).json()
    assert rerun["states"] == {"queued": 4}


def test_cancelling_asks_for_nothing(file: Path, circuits: Circuits, world: World) -> None:
    file.write_text(f"{file.read_text()}seeds: [5]\n")
    ran = circuits("sweep", file, "--cancel", "--json", world=world)
    assert ran.json()["states"] == {"missing": 4}
    assert "4 not asked for; ask for it" in ran.err


def test_what_is_wrong_is_told_with_its_line(file: Path, circuits: Circuits, world: World) -> None:
    file.write_text("models: ./none\ntasks: induction\nmethods:\n  - {name: eap, steps: 3}\n")
    ran = circuits("sweep", file, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert "mine.yaml, line 4, methods[0]: method 'eap' has no parameter 'steps'" in ran.err
    assert "mine.yaml: give exactly one of edges and thresholds" in ran.err
    for words in (("--json", "--csv"), ("--cancel", "--wait"), ("--cancel", "--rerun-failed")):
        assert circuits("sweep", file, *words, world=world).code == ExitCode.REQUEST
