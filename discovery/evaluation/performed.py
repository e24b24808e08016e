"""Does the model do the task? Asked before scores are paid for.

Two signs are asked for, each by its 95 % interval over groups of pairs: the loss rises when
everything is ablated, and answers are right more often than chance. What untrained models pass by
luck is measured by `python -m benchmarks.untrained`; docs/evaluation.md has its table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.evaluation.measured import Measured
from discovery.tasks.base import TokenPair
from graph_schema.documents import Limits, Metric
from graph_schema.errors import TaskNotPerformedError
from graph_schema.intervals import group_interval

PerPair = NDArray[np.float64]


def require_performance(discovery: Measured, limits: Limits) -> None:
    """Refuse a task that the model does not do: there is no behaviour to find a circuit for.

    Raises:
        TaskNotPerformedError: Accuracy is under the floor, or not above chance by its interval; or
            the interval of loss(∅) - loss(M) reaches 0. Under `kl`, which is never negative, that
            difference itself is rounding of 0.
    """
    answered = all(any(pair.answers) for pair in discovery.pairs)
    if answered and discovery.full.accuracy.mean() < limits.accuracy_floor:
        raise TaskNotPerformedError(
            f"{_answers(discovery)}; expected at least {limits.accuracy_floor:.0%} (setting "
            "limits.accuracy_floor): choose a task it does, or another model"
        )
    metric, gap = discovery.experiment.metric, float(discovery.gap.mean())
    low, high = interval(discovery, discovery.gap)
    if (gap if metric is Metric.KL else low) <= discovery.no_gap:
        raise TaskNotPerformedError(
            f"ablating everything changes the {metric.value} loss by {gap:.3g}, 95 % interval "
            f"[{low:.3g}, {high:.3g}], which reaches "
            f"{'rounding of ' if discovery.no_gap else ''}0: the model does not tell clean from "
            "ablated prompts, so there is no behaviour to find a circuit for; check the answers, "
            "or take more pairs"
        )
    if answered:
        _require_more_than_chance(discovery, limits.accuracy_floor)


def _require_more_than_chance(discovery: Measured, floor: float) -> None:
    each = chance(discovery.pairs, discovery.experiment.adapter.n_outputs)
    levels = {f"chance is {each.mean():.2g}": each}
    if (same := same_answer(discovery.pairs)) > each.mean() and same >= floor:
        # One answer to every prompt would pass: a late year comes after most.
        ablated = discovery.empty.accuracy
        levels[f"with everything ablated it answers {ablated.mean():.0%}"] = ablated
    for level, accuracy in levels.items():
        above = discovery.full.accuracy - accuracy
        # Shares of a few groups may be equal by luck, and then their interval has no length.
        low, high = min(interval(discovery, above), interval(discovery, above, of_pairs=True))
        if low <= 0:
            raise TaskNotPerformedError(
                f"{_answers(discovery)}, and {level}: the difference is {above.mean():.2g}, 95 % "
                f"interval [{low:.2g}, {high:.2g}], which reaches 0; choose a task it does, or "
                "take more pairs"
            )


def _answers(discovery: Measured) -> str:
    share = discovery.full.accuracy.mean()
    return f"the model answers {share:.0%} of {discovery.n} pairs correctly"


def chance(pairs: Sequence[TokenPair], n_outputs: int) -> PerPair:
    """How often a model that knows nothing has each pair right.

    The share of the answers among the tokens compared: 1/2 for one right and one wrong answer;
    among all outputs where there are no wrong ones. Mean over positions.
    """

    def level(pair: TokenPair) -> float:
        wrong = pair.wrong_answers or ((),) * len(pair.positions)
        each = [
            len(right) / (len(right) + len(other) if other else n_outputs)
            for right, other in zip(pair.answers, wrong, strict=True)
        ]
        return float(np.mean(each))

    return np.array([level(pair) for pair in pairs])


def same_answer(pairs: Sequence[TokenPair]) -> float:
    """The share of pairs for which one and the same token is an answer (at some position)."""
    counts = Counter(
        token for pair in pairs for token in {token for row in pair.answers for token in row}
    )
    return max(counts.values(), default=0) / len(pairs)


def interval(measured: Measured, values: PerPair, *, of_pairs: bool = False) -> tuple[float, float]:
    """The 95 % interval of a mean over groups; over pairs where asked, or all are of one group."""
    groups = measured.groups
    if of_pairs or measured.n_groups < 2:
        groups = tuple(str(i) for i in range(measured.n))
    low, high, _ = group_interval(values, groups, seed=measured.seed)
    mean = float(values.mean())
    return (mean if low is None else low, mean if high is None else high)
