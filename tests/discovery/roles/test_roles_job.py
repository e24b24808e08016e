"""The roles job on models whose circuits are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.evaluation.session import Session
from discovery.jobs.roles import examine
from discovery.models.inspecting import inspect_model
from discovery.models.load import load_model
from discovery.models.zoo import ensure_model, train
from discovery.progress import no_progress
from discovery.roles.probing import probed
from discovery.tasks import build_dataset
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    InductionTask,
    Limits,
    ModelId,
    ModelSource,
    RoleName,
    RolesPlayed,
    TaskData,
)
from graph_schema.documents.jobs import RolesSpec
from graph_schema.errors import SpecError
from tests.compiled import Twin

PREVIOUS, DUPLICATE, INDUCTION = (
    RoleName.PREVIOUS_TOKEN,
    RoleName.DUPLICATE_TOKEN,
    RoleName.INDUCTION,
)


def played(folder: Path, task: InductionTask | None = None, **asked: Any) -> RolesPlayed:
    """What the job finds in a model's folder."""
    source = ModelSource(name=str(folder))
    inspected = inspect_model(source)
    model = load_model(source, fingerprint=None, inspected=inspected)
    data = TaskData(task=task or InductionTask())
    spec = RolesSpec(model=ModelId(fingerprint=model.document.fingerprint), data=data, **asked)
    names = inspected.names
    vocabulary = Vocabulary(inspected.d_vocab, inspected.tokenizer, None, inspected.n_ctx, names)
    pairs = build_dataset(
        spec,
        inspected.tokenizer,
        inspected.d_vocab,
        None,
        Limits(),
        inspected.n_ctx,
        names,
    )
    done = examine(spec, model, pairs, vocabulary, limits=Limits(), progress=no_progress)
    return done.played


def players(found: RolesPlayed) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for play in found.plays:
        if play.passes:
            names.setdefault(play.role.value, set()).add(play.component)
    return names


SMALL = InductionTask(length=20, min_period=4, max_period=9)


@pytest.mark.parametrize(
    ("twin", "wanted"),
    [
        (Twin("key", n_tokens=23, n_ctx=31), {"previous_token": {"a0.h1"}}),
        (
            Twin("pointer", n_tokens=21, n_ctx=27, n_heads=3, bos=True, named_outputs=True, seed=3),
            {"duplicate_token": {"a0.h1"}},
        ),
    ],
    ids=["key", "pointer"],
)
def test_the_roles_of_a_twin_are_those_built_in(
    twin: Twin, wanted: dict[str, set[str]], tmp_path: Path
) -> None:
    found = played(twin.write(tmp_path / "twin"), SMALL)
    assert found.behaviour is not None
    assert found.behaviour.reason == ""
    assert players(found) == {**wanted, "induction": {"a1.h0"}}
    (carried,) = found.transductions
    assert carried.members == ("a1.h0",)
    assert carried.moved.ci_low > 0.99
    assert carried.accuracy == 1
    assert carried.same_answer is not None
    assert carried.same_answer.ci_high < 0.01
    assert carried.others is not None
    assert carried.others < 0.01
    assert set(found.untested) == set(RoleName) - {PREVIOUS, DUPLICATE, INDUCTION}
    assert "spans" in found.untested[RoleName.NAME_MOVER]
    composed = {name for name in found.columns["a1.h0"] if "composition" in name}
    channel = "k" if "previous_token" in wanted else "q"
    assert composed == {f"{channel}_composition_a0.h1"}
    composition = found.columns["a1.h0"][f"{channel}_composition_a0.h1"]
    assert composition > 0.05
    if channel == "k":
        # By hand, of v tokens: ‖W_QK W_OV‖² and ‖W_OV‖² are v, and ‖W_QK‖² is v + 4v, since its
        # keys keep off the first position as well.
        assert composition == pytest.approx((5 * 23) ** -0.5, abs=1e-5)
    assert found.columns["a1.h0"]["direct_logits"] == pytest.approx(1, abs=1e-3)


def test_a_task_that_is_not_done_is_a_finding(tmp_path: Path) -> None:
    """And so is a vocabulary without the tokens that probes are made of."""
    twin = Twin("key", n_tokens=23, n_ctx=31)
    found = played(twin.write(tmp_path / "good"), SMALL, roles=(PREVIOUS, INDUCTION))
    assert set(found.untested) == set()
    arrays = twin.arrays()
    folder = Twin("key", n_tokens=23, n_ctx=31, seed=1).write(tmp_path / "bad")
    generator = np.random.default_rng(0)
    noise = {name: generator.normal(0, 0.3, each.shape) for name, each in arrays.items()}
    np.savez(folder / "weights.npz", allow_pickle=False, **noise)
    bad = played(folder, SMALL, roles=(PREVIOUS, INDUCTION))
    assert bad.behaviour is not None
    assert bad.behaviour.reason != ""
    assert bad.plays == ()
    assert set(bad.untested) == {PREVIOUS, INDUCTION}
    assert all("not done" in why for why in bad.untested.values())


def test_a_vocabulary_too_small_for_probes_leaves_roles_untested(tmp_path: Path) -> None:
    """The task is done, on two periods; with these a head that counts back might pass."""
    few = InductionTask(length=14, min_period=4, max_period=5)
    found = played(Twin("key", n_tokens=5, n_ctx=20).write(tmp_path / "twin"), few)
    assert found.behaviour is not None
    assert found.behaviour.reason == ""
    assert found.plays == ()
    assert set(found.untested) == set(RoleName)
    assert "3 repeat periods" in found.untested[INDUCTION]


def test_an_earlier_version_of_the_method_is_not_measured(tmp_path: Path) -> None:
    folder = Twin("key", n_tokens=23, n_ctx=31).write(tmp_path / "twin")
    with pytest.raises(SpecError, match="version 1 are no longer measured; ask again"):
        played(folder, SMALL, method_version=1)
    assert played(folder, SMALL).method_version == 2


def test_roles_that_look_back_are_not_tested_where_a_model_looks_ahead(tmp_path: Path) -> None:
    folder = Twin("key", n_tokens=23, n_ctx=31).write(tmp_path / "twin")
    source = ModelSource(name=str(folder))
    model = load_model(source, fingerprint=None)
    model.adapter.bidirectional = True
    spec = RolesSpec(model=ModelId(fingerprint="0" * 64), data=TaskData(task=SMALL))
    vocabulary = Vocabulary(23, n_ctx=31)
    pairs = build_dataset(spec, None, 23, None, Limits(), 31)
    session = Session.of(
        spec,
        model,
        pairs,
        receivers="query_head",
        limits=Limits(),
        progress=no_progress,
        chunk=None,
    )
    untested = probed(spec, session, vocabulary).untested
    assert set(untested) == set(RoleName) - {PREVIOUS}
    assert "looks ahead" in untested[INDUCTION]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2"])
def test_the_zoo_s_models_do_induction_by_previous_token_and_induction_heads(
    family: str, zoo_cache: Path
) -> None:
    found = played(ensure_model(zoo_cache, family))
    names = players(found)
    assert {each.split(".")[0] for each in names["previous_token"]} == {"a0"}
    assert {each.split(".")[0] for each in names["induction"]} == {"a1"}
    assert "duplicate_token" not in names
    (carried,) = found.transductions
    assert carried.moved.ci_low > 0.6
    assert carried.same_answer is not None
    assert carried.same_answer.ci_high < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("family", ["one-layer", "fixed-period", "markov"])
def test_negative_controls_have_no_role_to_test(family: str, zoo_cache: Path) -> None:
    found = played(ensure_model(zoo_cache, family))
    assert found.plays == ()
    assert set(found.untested) == set(RoleName)


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_untrained_models_have_no_role_to_test(family: str, tmp_path: Path) -> None:
    found = played(train(family, tmp_path / "model", steps=0))
    assert found.plays == ()
    assert found.behaviour is not None
    assert found.behaviour.worst < 0.8
