"""Metrics on logits small enough to work out, one value a pair."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from discovery.engine.metrics import Objective, accuracy, rank, require_tokens, target_of
from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric
from graph_schema.errors import DatasetError

CPU = torch.device("cpu")
ONE = TokenPair(
    clean=(0, 1, 2),
    corrupt=(0, 2, 2),
    answers=((0, 1),),
    wrong_answers=((2,),),
    positions=(2,),
    id="one",
    group="one",
    weights=(((0, 2.0), (3, -1.0)),),
)
TWO = replace(
    ONE,
    answers=((3,), (0,)),
    wrong_answers=((0,), (3,)),
    positions=(1, 2),
    weights=(((3, 1.0),), ((0, 1.0),)),
    id="two",
)
TARGET = target_of([ONE, TWO], CPU, torch.float32)
# The first pair has one position: its second row is padding, and must not count.
LOGITS = torch.tensor(
    [
        [[1.0, 2.0, 3.0, 4.0], [99.0, 0.0, -99.0, 7.0]],
        [[0.0, 0.0, 0.0, math.log(3)], [1.0, 0.0, 0.0, 2.0]],
    ]
)
# Probabilities of the second pair's first position: 1/6, 1/6, 1/6, 1/2.
E = math.e
SECOND = [1 / (E + 2 + E**2) * x for x in (E, 1.0, 1.0, E**2)]
FIRST = [E**x / (E + E**2 + E**3 + E**4) for x in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        (Metric.LOGIT_DIFF, [1.5 - 3, (math.log(3) + (1 - 2)) / 2]),
        (Metric.ANSWER_LOGIT, [1.5, (math.log(3) + 1) / 2]),
        (
            Metric.PROB_DIFF,
            [FIRST[0] + FIRST[1] - FIRST[2], (1 / 2 - 1 / 6 + SECOND[0] - SECOND[3]) / 2],
        ),
        (Metric.ANSWER_PROB, [FIRST[0] + FIRST[1], (1 / 2 + SECOND[0]) / 2]),
        (Metric.LINEAR, [2 * 1 - 4, (math.log(3) + 1) / 2]),
    ],
)
def test_metrics_are_means_over_a_pairs_positions(metric: Metric, wanted: list[float]) -> None:
    objective = Objective(metric, TARGET)
    assert objective.value(LOGITS).tolist() == pytest.approx(wanted, abs=1e-6)
    assert objective.loss(LOGITS).tolist() == pytest.approx([-x for x in wanted], abs=1e-6)


def test_kl_runs_from_clean_to_patched_and_is_a_loss() -> None:
    clean = torch.tensor([0.5, 0.25, 0.25]).log()
    patched = torch.tensor([0.25, 0.25, 0.5]).log()
    target = target_of([ONE], CPU, torch.float32)
    objective = Objective.at(Metric.KL, target, clean[None, None])
    wanted = 0.5 * math.log(2) + 0.25 * math.log(0.5)
    assert objective.value(patched[None, None]).item() == pytest.approx(wanted, abs=1e-6)
    assert objective.loss(patched[None, None]).item() == pytest.approx(wanted, abs=1e-6)
    assert objective.value(clean[None, None]).item() == pytest.approx(0, abs=1e-7)


def test_accuracy_and_rank() -> None:
    # First pair: best answer 2 < wrong 3, two tokens above it. Second: right, then wrong.
    assert accuracy(LOGITS, TARGET).tolist() == [0, 0.5]
    assert rank(LOGITS, TARGET).tolist() == [3, 1.5]


def test_without_wrong_answers_the_answer_is_to_be_the_top_token() -> None:
    target = target_of([replace(ONE, wrong_answers=((),))], CPU, torch.float32)
    logits = torch.tensor([[[0.0, 5.0, 4.0, 1.0]]])
    assert accuracy(logits, target).tolist() == [1]
    assert accuracy(logits.flip(-1), target).tolist() == [0]


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = LOGITS.bfloat16()
    assert Objective(Metric.PROB_DIFF, TARGET).value(logits).dtype == torch.float32


@pytest.mark.parametrize(
    ("pair", "metric", "said"),
    [
        (replace(ONE, wrong_answers=((),)), Metric.LOGIT_DIFF, "needs answers and wrong answers"),
        (replace(ONE, answers=((),)), Metric.ANSWER_PROB, "needs answers"),
        (replace(ONE, weights=None), Metric.LINEAR, "needs the key 'weights'"),
    ],
)
def test_a_metric_that_does_not_fit_the_data_is_refused(
    pair: TokenPair, metric: Metric, said: str
) -> None:
    require_tokens(metric, [ONE, TWO])
    with pytest.raises(DatasetError, match=f"pair one: .*{said}"):
        require_tokens(metric, [TWO, pair])
