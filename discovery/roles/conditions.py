"""Conditions that a model is tried on, and how well it does on each.

A condition is a group of pairs (a period, a template), and where groups are small several in a row:
an accuracy of two pairs says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from discovery.evaluation.measured import Measured
from discovery.roles.behaviour import (
    LEAST_GAP,
    STEADY,
    WORST,
    condition_of,
    repeats_answer,
)
from discovery.tasks.base import TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Metric
from graph_schema.documents.role import Behaviour

FEWEST = 8
"""Pairs of a condition, at least, where there are as many."""


def conditions(pairs: Sequence[TokenPair]) -> list[str]:
    """Each pair's condition."""
    own = [condition_of(pair) for pair in pairs]
    runs: list[list[str]] = [[]]
    for name in sorted(set(own), key=_natural):
        if sum(map(own.count, runs[-1])) >= FEWEST:
            runs.append([])
        runs[-1].append(name)
    if len(runs) > 1 and sum(map(own.count, runs[-1])) < FEWEST:
        last = runs.pop()
        runs[-1] += last
    label = {
        name: run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs for name in run
    }
    return [label[name] for name in own]


def behaviour(split: Measured, vocabulary: Vocabulary) -> Behaviour:
    """How well the model does on a split, and why nothing above can be tested, where so."""
    names = np.array(conditions(split.pairs))
    right = split.full.accuracy
    known = sorted(set(names.tolist()), key=_natural)
    accuracy = {name: float(right[names == name].mean()) for name in known}
    low, high = split.gap_interval
    gap = float(split.gap.mean())
    told = Behaviour(accuracy=accuracy, gap=gap, gap_low=low, gap_high=high)
    return told.model_copy(update={"reason": _reason(told, split, vocabulary)})


def _reason(told: Behaviour, split: Measured, vocabulary: Vocabulary) -> str:
    metric = split.experiment.metric
    if any(any(pair.answers) for pair in split.pairs) and told.worst < WORST:
        worst = min(told.accuracy, key=lambda name: told.accuracy[name])
        return f"accuracy {told.worst:.2f} on {worst}; at least {WORST:g} is needed"
    if told.gap_low <= split.no_gap:
        return (
            f"ablating everything changes the {metric.value} loss by {told.gap:.3g} "
            f"[{told.gap_low:.3g}, {told.gap_high:.3g}], which reaches 0"
        )
    small = told.gap < LEAST_GAP and told.gap_low < STEADY * told.gap
    if metric is Metric.LOGIT_DIFF and small and repeats_answer(split.pairs, vocabulary):
        return (
            f"ablating everything changes the logit difference by {told.gap:.2f}; shares of less "
            f"than {LEAST_GAP:g} are not told from noise"
        )
    return ""


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Numbers inside a name in the order of numbers."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
