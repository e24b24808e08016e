"""`evaluate`: stored circuits judged again, on their own pairs and on others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workers.cli.conftest import Circuits
from tests.workers.world import World, write_lines
from workers.cli.exits import ExitCode

FIGURES = ("faithfulness", "heldout_faithfulness", "complement_faithfulness", "cmd", "cpr")


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    return {}


@pytest.fixture
def found(circuits: Circuits, world: World, asked: dict[str, Any]) -> dict[str, Any]:
    """A circuit in the graph; found once."""
    if not asked:
        asked.update(circuits("run", *world.ask, "--edges", 12, "--json", world=world).json())
    return asked


def test_a_circuit_is_judged_as_its_job_judged_it_and_keeps_its_figures(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    own = circuits("evaluate", found["circuit_id"][:12], "--here", "--json", world=world).json()
    assert (own["kind"], own["state"]) == ("evaluate", "succeeded")
    assert own["circuit_ids"] == [found["circuit_id"]]
    assert {name: own[name] for name in FIGURES} == {name: found[name] for name in FIGURES}
    assert own["cpu_seconds_by_stage"].keys() == {"data", "model", "baseline", "evaluation"}
    again = circuits("evaluate", found["circuit_id"], "--here", "--json", world=world).json()
    assert (again["job_id"], again["attempts"]) == (own["job_id"], 1)

    other = write_lines(tmp_path / "other.jsonl", world.lines()[::-1][:28])
    words = ("--dataset", other, "--metric", "prob_diff", "--ablation", "mean", "--here")
    text = circuits("evaluate", found["circuit_id"], *words, world=world).out
    assert "prob_diff, ablation mean, seed 0" in text
    shown = circuits("show", found["circuit_id"], world=world).out
    assert shown.count("\nevaluation    ") == 2
    assert "task          other, dataset" in shown
    document = circuits("show", found["circuit_id"], "--format", "json", world=world).json()
    assert document["metric"] == "logit_diff"
    assert document["evaluation"]["faithfulness"]["value"] == found["faithfulness"]


def test_pairs_that_do_not_fit_are_left_out_and_said(
    circuits: Circuits, world: World, found: dict[str, Any], tmp_path: Path
) -> None:
    lines = world.lines()
    lines[4]["clean"][0] = 40
    words = ("--dataset", write_lines(tmp_path / "beyond.jsonl", lines), "--here", "--json")
    refused = circuits("evaluate", found["circuit_id"], *words, world=world)
    assert refused.code == ExitCode.REQUEST
    assert "line 5: clean holds token id 40" in refused.err
    words = (*words, "--misfits", "leave_out")
    judged = circuits("evaluate", found["circuit_id"], *words, world=world).json()
    assert any("line 5: clean holds token id 40" in note for note in judged["notes"])


def test_a_submitted_evaluation_waits_in_the_queue_and_can_be_cancelled(
    circuits: Circuits, world: World, found: dict[str, Any]
) -> None:
    words = ("evaluate", found["circuit_id"], "--seed", 5, "--json")
    queued = circuits(*words, world=world).json()
    assert (queued["kind"], queued["state"]) == ("evaluate", "queued")
    assert circuits(*words, world=world).json()["job_id"] == queued["job_id"]
    ended = circuits("cancel", queued["job_id"], "--json", world=world).json()
    assert ended["state"] == "cancelled"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metric", "kll"), "did you mean 'kl'"),
        (("--pairs", 9), "a dataset is used whole"),
        (("--label", "x"), "--task or --dataset"),
        (("--evaluation", "fast"), 'evaluation is "fast"'),
        (("--revision", "main"), "--model"),
        (("--task", "ioi", "--dataset", "x"), "exactly one of task"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_stored(
    circuits: Circuits,
    world: World,
    found: dict[str, Any],
    words: tuple[object, ...],
    message: str,
) -> None:
    before = len(circuits("jobs", "--json", world=world).json())
    ran = circuits("evaluate", found["circuit_id"], *words, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert message in ran.err
    assert len(circuits("jobs", "--json", world=world).json()) == before
