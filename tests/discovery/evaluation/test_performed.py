"""Who passes for a model that does the task: trained ones do, untrained ones hardly ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.untrained import CASES, passes
from discovery.engine.experiment import Experiment
from discovery.evaluation.measured import Measured
from discovery.evaluation.performed import chance, require_performance, same_answer
from discovery.models import LoadedModel, load_model, zoo
from discovery.tasks import TASKS
from discovery.tasks.base import TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import (
    AblationSpec,
    AnyTask,
    DocstringTask,
    GenderedPronounTask,
    GreaterThanTask,
    InductionTask,
    IoiTask,
    Limits,
    Metric,
    Split,
    SubjectVerbAgreementTask,
)
from graph_schema.errors import TaskNotPerformedError
from graph_schema.models.fingerprint import resolve_source
from tests.discovery.cases import D_VOCAB, done_pairs, made_pairs, tiny_gpt2

PAIRS = done_pairs(tiny_gpt2(), 16)


def measured(pairs: tuple[TokenPair, ...], metric: Metric = Metric.LOGIT_DIFF) -> Measured:
    experiment = Experiment(tiny_gpt2(), metric, AblationSpec(), pairs)
    return Measured(experiment, Split.DISCOVERY, pairs, seed=0)


def turned(pair: TokenPair) -> TokenPair:
    return replace(pair, answers=pair.wrong_answers, wrong_answers=pair.answers)


def test_a_task_that_is_done_passes_under_any_metric() -> None:
    for metric in (Metric.LOGIT_DIFF, Metric.PROB_DIFF, Metric.KL):
        require_performance(measured(PAIRS, metric), Limits())


def test_a_task_that_is_not_done_is_refused() -> None:
    wrong = tuple(map(turned, PAIRS))
    with pytest.raises(TaskNotPerformedError, match=r"answers 0% of 16 pairs.*at least 50%"):
        require_performance(measured(wrong), Limits())
    with pytest.raises(TaskNotPerformedError, match=r"interval \[.*\], which reaches 0"):
        require_performance(measured(wrong), Limits(accuracy_floor=0))
    with pytest.raises(TaskNotPerformedError, match=r"0% of 16 .*chance is 0\.5: .* reaches 0"):
        require_performance(measured(wrong, Metric.KL), Limits(accuracy_floor=0))


def test_prompts_that_do_not_differ_leave_nothing_to_explain() -> None:
    same = tuple(replace(pair, corrupt=pair.clean) for pair in PAIRS)
    with pytest.raises(TaskNotPerformedError, match=r"interval \[.*\], which reaches 0"):
        require_performance(measured(same), Limits())
    with pytest.raises(TaskNotPerformedError, match="reaches rounding of 0"):
        require_performance(measured(same, Metric.KL), Limits())


def test_accuracy_above_the_floor_is_refused_where_chance_would_do() -> None:
    """10 of 16 pairs in groups of two: under the old rule, which knew the floor alone, done."""
    some = tuple(turned(pair) if i % 8 in (1, 4, 6) else pair for i, pair in enumerate(PAIRS))
    with pytest.raises(TaskNotPerformedError, match=r"62% of 16 .*chance is 0\.5"):
        require_performance(measured(some, Metric.KL), Limits())


def test_pairs_of_one_group_are_taken_as_independent() -> None:
    alone = tuple(replace(pair, group="one") for pair in PAIRS)
    require_performance(measured(alone), Limits())
    some = tuple(turned(pair) if i % 8 in (1, 4, 6) else pair for i, pair in enumerate(alone))
    with pytest.raises(TaskNotPerformedError, match="which reaches 0"):
        require_performance(measured(some), Limits())


def test_few_groups_are_named_as_the_reason_where_they_are() -> None:
    """All is right, and each pair's gap is above 0: two groups apart by a little say nothing."""
    gaps = measured(PAIRS).gap
    assert gaps.min() > 0
    half = {int(i) for i in np.argsort(gaps)[:8]}
    two = tuple(replace(pair, group=str(i in half)) for i, pair in enumerate(PAIRS))
    with pytest.raises(TaskNotPerformedError) as raised:
        require_performance(measured(two), Limits())
    assert "16 pairs of 2 groups do not tell how other groups are; give" in str(raised.value)
    assert "does not tell clean from ablated" not in str(raised.value)
    wrong = tuple(turned(pair) for pair in two)
    with pytest.raises(TaskNotPerformedError, match="does not tell clean from ablated"):
        require_performance(measured(wrong), Limits(accuracy_floor=0))


def test_groups_that_agree_by_luck_say_nothing() -> None:
    """Two groups with five of eight each: an interval over them has no length."""
    some = tuple(turned(pair) if i % 8 in (1, 4, 6) else pair for i, pair in enumerate(PAIRS))
    two = tuple(replace(pair, group=str(i // 8)) for i, pair in enumerate(some))
    with pytest.raises(TaskNotPerformedError, match=r"62% of 16 .*chance is 0\.5"):
        require_performance(measured(two, Metric.KL), Limits())
    done = tuple(replace(pair, group=str(i // 8)) for i, pair in enumerate(PAIRS))
    require_performance(measured(done, Metric.KL), Limits())


def test_one_answer_to_every_prompt_is_not_above_that_of_the_ablated_model() -> None:
    """Every token but one is right, so most of any model's answers are, M's and those of ∅."""
    with torch.no_grad():
        model: Any = tiny_gpt2()
        said = model.model(torch.tensor([pair.clean for pair in PAIRS])).logits[:, -1]
    least = int(said.mean(0).argmin())
    every = (tuple(token for token in range(D_VOCAB) if token != least),)
    lenient = tuple(replace(pair, answers=every, wrong_answers=((least,),)) for pair in PAIRS)
    assert same_answer(lenient) == 1
    with pytest.raises(TaskNotPerformedError, match=r"with everything ablated it answers 100%"):
        require_performance(measured(lenient, Metric.KL), Limits())


def test_chance_is_the_share_of_answers_among_the_tokens_compared() -> None:
    (pair,) = made_pairs(1, targets=2)
    mixed = replace(pair, wrong_answers=((1, 2), ()))
    levels = chance([pair, mixed, replace(pair, wrong_answers=())], D_VOCAB)
    assert levels == pytest.approx([2 / 3, (1 / 2 + 2 / D_VOCAB) / 2, 2 / D_VOCAB])
    assert np.mean(chance(PAIRS, D_VOCAB)) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_untrained_models_hardly_ever_pass(name: str) -> None:
    """docs/evaluation.md has 400 trials a task. Under the old gate 13 of 60 did docstring."""
    task, digits = CASES[name]
    assert sum(passes(task, digits, task.default_metric, seed) for seed in range(12)) <= 1


def judged(model: LoadedModel, task: AnyTask, metric: Metric, n: int = 32) -> None:
    """Both splits of a task's `n` pairs pass the gate."""
    vocabulary = Vocabulary(model.adapter.shape.d_vocab, model.tokenizer)
    made = TASKS[task.name](task, vocabulary, n, 0)
    for pairs in (made.discovery, made.heldout):
        experiment = Experiment(model.adapter, metric, AblationSpec(), pairs)
        require_performance(Measured(experiment, Split.DISCOVERY, pairs, seed=0), Limits())


@pytest.mark.slow
def test_a_trained_model_does_induction(zoo_cache: Path) -> None:
    source = resolve_source(str(zoo.ensure_demo_model(zoo_cache)))
    model = load_model(source, fingerprint=None)
    for metric in (Metric.LOGIT_DIFF, Metric.KL):
        judged(model, InductionTask(), metric)


@pytest.fixture(scope="module")
def smollm2(smollm2_folder: Path) -> LoadedModel:
    """Read once for all tasks."""
    return load_model(resolve_source(str(smollm2_folder)), fingerprint=None)


@pytest.mark.needs_real_models
@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    [
        IoiTask(),
        GreaterThanTask(),
        SubjectVerbAgreementTask(),
        GenderedPronounTask(),
        DocstringTask(),
    ],
    ids=lambda task: task.name,
)
def test_smollm2_still_does_what_it_does(task: AnyTask, smollm2: LoadedModel) -> None:
    few = task.name != "subject_verb_agreement"  # it does this one less well: 16 do not tell
    judged(smollm2, task, task.default_metric, n=16 if few else 32)
