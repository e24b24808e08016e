"""`circuits zoo`: what it trains, says and refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from discovery.models.zoo import RECIPES
from discovery.models.zoo.training import Training
from tests.workers.cli.conftest import Circuits
from workers.cli.exits import ExitCode


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controls, which need not learn anything, in four steps."""
    for family in ("markov", "one-layer"):
        monkeypatch.setitem(RECIPES, family, replace(RECIPES[family], steps=4))


@pytest.mark.usefixtures("short")
def test_models_are_trained_once_and_listed(circuits: Circuits) -> None:
    words = ("zoo", "train", "markov", "one-layer/2", "--checkpoints", 2, "--json")
    ran = circuits(*words)
    assert ran.code == ExitCode.DONE, ran.err
    trained = ran.json()
    assert [model["name"] for model in trained] == ["markov/0", "one-layer/2"]
    for model in trained:
        assert model["trained"]
        assert model["steps"] == 4
        assert [each["step"] for each in model["checkpoints"]] == [0, 2, 4]
        assert Path(model["path"], "model.safetensors").is_file()
    assert circuits(*words).json() == trained
    listed = circuits("zoo", "list", "--json").json()
    assert [each for each in listed if each["trained"]] == sorted(
        trained, key=lambda model: list(RECIPES).index(model["family"])
    )
    assert len(listed) == 3 * len(RECIPES) + 2
    text = circuits("zoo", "list").out
    assert text.count("not trained") == 3 * len(RECIPES)


@pytest.mark.usefixtures("short")
def test_ctrl_c_leaves_what_the_next_call_goes_on_from(
    circuits: Circuits, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, steps = Training._one, list[int]()

    def one(self: Training, rate: float) -> float:
        steps.append(self.step)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return real(self, rate)

    monkeypatch.setattr(Training, "_one", one)
    words = ("zoo", "train", "markov", "--checkpoints", 2, "--json")
    ran = circuits(*words)
    assert ran.code == ExitCode.INTERRUPTED
    assert "goes on from the newest checkpoint" in ran.err
    assert circuits(*words).json()[0]["trained"]
    assert steps == [0, 1, 2, 3, 2, 3]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name families, or give --all"),
        (("gpt2", "--all"), "name families, or give --all"),
        (("bert",), "'bert' is no model of the zoo; expected a family (gpt2"),
        (("gpt2/x",), "'gpt2/x' is no model of the zoo"),
        (("gpt2", "--seeds", 0), "--seeds is 0"),
        (("gpt2", "--checkpoints", -1), "-1 checkpoints"),
    ],
)
def test_requests_that_name_no_model_are_refused(
    words: tuple[Any, ...], message: str, circuits: Circuits
) -> None:
    ran = circuits("zoo", "train", *words)
    assert ran.code == ExitCode.REQUEST
    assert message in ran.err
