"""Checkpoints of one training in a folder, the steps in revisions' names, and loss curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graph_schema.errors import ModelError
from graph_schema.models.checkpoints import checkpoints_in, loss_curve, step_of


def made(folder: Path, *names: str, **record: Any) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}")
        if record:
            (folder / name / "training.json").write_text(json.dumps(record))
    return folder


def test_the_zoo_s_and_the_trainer_s_folders_are_checkpoints_by_step(tmp_path: Path) -> None:
    zoo = made(tmp_path / "zoo", "checkpoints/step-000100", "checkpoints/step-000000", accuracy=0.5)
    (zoo / "checkpoints" / "step-000050").mkdir()  # no model
    (zoo / "checkpoints" / "notes").mkdir()
    assert [(each.step, each.accuracy) for each in checkpoints_in(zoo)] == [(0, 0.5), (100, 0.5)]
    trainer = made(tmp_path / "trainer", "checkpoint-500", "checkpoint-1000")
    found = checkpoints_in(trainer)
    assert [(each.step, Path(each.model).name) for each in found] == [
        (500, "checkpoint-500"),
        (1000, "checkpoint-1000"),
    ]
    assert found[0].accuracy is None


def test_no_checkpoints_and_two_of_one_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no checkpoints; expected checkpoints/step-000100"):
        checkpoints_in(tmp_path)
    with pytest.raises(ModelError, match="two checkpoints of step 10"):
        checkpoints_in(made(tmp_path, "checkpoint-10", "checkpoints/step-000010"))


@pytest.mark.parametrize(
    ("revision", "step"), [("step0", 0), ("step143000", 143000), ("v2-step-7", 7), ("512", 512)]
)
def test_a_revision_names_its_step(revision: str, step: int) -> None:
    assert step_of(revision) == step


@pytest.mark.parametrize("revision", ["main", "step", "", "step1a", "step٣", "9" * 30])
def test_a_revision_without_a_step_is_refused(revision: str) -> None:
    with pytest.raises(ModelError, match="step1000"):
        step_of(revision)


def test_losses_are_read_from_either_record_and_nonsense_is_none(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text('{"losses": [3.5, NaN, "x", true, 2]}')
    assert loss_curve(tmp_path) == ((1, 3.5), (5, 2.0))
    trainer = made(tmp_path / "t", "checkpoint-10", "checkpoint-20")
    for step in (10, 20):
        history = [{"step": at, "loss": 9 / at} for at in range(5, step + 1, 5)]
        state = json.dumps({"log_history": [*history, {"step": step, "eval_loss": 1.0}, 7]})
        (trainer / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert [step for step, _ in loss_curve(trainer)] == [5, 10, 15, 20]
    (tmp_path / "training.json").write_text(f'{{"losses": [3, {"9" * 400}, 2]}}')
    assert loss_curve(tmp_path) == ((1, 3.0), (3, 2.0)), "whole numbers that no float holds"
    for text in ("[1]", "{", '{"losses": 3}', '{"log_history": 3}'):
        (tmp_path / "training.json").write_text(text)
        assert loss_curve(tmp_path) == ()
    assert loss_curve(tmp_path / "nowhere") == ()
