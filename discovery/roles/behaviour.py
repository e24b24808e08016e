"""Does the model do the task well enough to ask who does what in it?

More is asked than of a circuit (evaluation/performed.py): each condition (a repeat period, a
template) counts by itself, for a model that does the task on some only has no roles for all of it.
What is not done well enough is a finding, not an error. The roles job asks it by `performance`, of
the task's other pairs as well; the effects job, of the pairs it measures on, by `behaviour_on`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from discovery.engine.experiment import pad
from discovery.engine.forward import at_positions, logits_at
from discovery.engine.metrics import accuracy, target_of, wide
from discovery.engine.self_check import check_adapter
from discovery.evaluation.measured import Measured
from discovery.evaluation.performed import interval, require_performance
from discovery.evaluation.session import Session
from discovery.models import ModelAdapter
from discovery.roles.conditions import FEWEST, condition_of, conditions, in_order
from discovery.roles.patterns import fitting
from discovery.roles.probes import OTHER_STREAM
from discovery.roles.watching import watched
from discovery.tasks import TASKS
from discovery.tasks.base import TokenPair
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Behaviour, Metric, Split, TaskData
from graph_schema.documents.jobs import MeasuredSpec
from graph_schema.errors import DatasetError, TaskNotPerformedError

WORST = 0.8
"""Accuracy on the condition that a model does worst on: under it, nothing above can be tested."""
LEAST_GAP, STEADY = 5.0, 0.8
"""Logit difference that is lost with everything ablated, in repeated sequences: shares of less are
mostly noise, unless the gap's interval begins at so much of it (a compiled program's scale is its
own, and it has no noise)."""
A_CONDITION = 16
"""Prompts of a condition, where the task makes them."""
MOST_CONDITIONS = 20


@dataclass(frozen=True)
class Performance:
    """How well the task is done, and the discovery pairs as they were measured."""

    behaviour: Behaviour
    discovery: Measured


def performance(session: Session, vocabulary: Vocabulary) -> Performance:
    """Measure the behaviour on the job's discovery pairs; by condition, on the task's other pairs.

    Where data were submitted, on these alone. `behaviour.reason` says why nothing above can be
    tested; it is empty where it can.

    Raises:
        NumericsError: The adapter's logits are not the model's, or a loss is NaN or infinite.
    """
    with session.clock.stage("behaviour"):
        prompts = [pair.clean for pair in (*session.pairs.discovery, *session.pairs.heldout)]
        check_adapter(session.experiment.adapter, prompts, together=session.chunk != 1)
        discovery = Measured(
            session.experiment,
            Split.DISCOVERY,
            session.pairs.discovery,
            seed=session.spec.seed,
            chunk=session.chunk,
            progress=session.report("behaviour"),
        )
        own = (*session.pairs.discovery, *session.pairs.heldout)
        pairs = fresh_pairs(session.spec, vocabulary) or own
        found = accuracy_by_condition(session.experiment.adapter, pairs, session.chunk)
    low, high = interval(discovery, discovery.gap)
    gap = float(discovery.gap.mean())
    known = Behaviour(accuracy=found, gap=gap, gap_low=low, gap_high=high)
    return Performance(
        known.model_copy(update={"reason": _why_not(session, discovery, known, vocabulary)}),
        discovery,
    )


def _why_not(
    session: Session, discovery: Measured, found: Behaviour, vocabulary: Vocabulary
) -> str:
    if not all(any(pair.answers) for pair in discovery.pairs):
        return "the pairs have no answers, so how often the model is right cannot be told"
    try:
        require_performance(discovery, session.limits)
    except TaskNotPerformedError as error:
        return str(error)
    return _done_badly(found) or _small_gap(found, discovery, vocabulary)


def behaviour_on(split: Measured, vocabulary: Vocabulary) -> Behaviour:
    """How well the model does on a split, and why nothing above can be tested, where so."""
    names = np.array(conditions(split.pairs))
    right = split.full.accuracy
    known = sorted(set(names.tolist()), key=in_order)
    accuracy = {name: float(right[names == name].mean()) for name in known}
    low, high = split.gap_interval
    gap = float(split.gap.mean())
    found = Behaviour(accuracy=accuracy, gap=gap, gap_low=low, gap_high=high)
    answered = any(any(pair.answers) for pair in split.pairs)
    reason = (
        (_done_badly(found) if answered else "")
        or _no_gap(found, split)
        or _small_gap(found, split, vocabulary)
    )
    return found.model_copy(update={"reason": reason})


def _done_badly(found: Behaviour) -> str:
    if found.worst >= WORST:
        return ""
    where = min(found.accuracy, key=lambda name: found.accuracy[name])
    return (
        f"accuracy on {where} is {found.worst:.2f}; expected at least {WORST:.2f} on every "
        "condition"
    )


def _no_gap(found: Behaviour, split: Measured) -> str:
    if found.gap_low > split.no_gap:
        return ""
    return (
        f"ablating everything changes the {split.experiment.metric.value} loss by {found.gap:.3g} "
        f"[{found.gap_low:.3g}, {found.gap_high:.3g}], which reaches 0"
    )


def _small_gap(found: Behaviour, split: Measured, vocabulary: Vocabulary) -> str:
    """Why shares of the gap are mostly noise; empty where they are not."""
    in_logits = split.experiment.metric is Metric.LOGIT_DIFF
    small = found.gap < LEAST_GAP and found.gap_low < STEADY * found.gap
    if not (in_logits and small and repeats_answer(split.pairs, vocabulary)):
        return ""
    return (
        f"ablating everything takes {found.gap:.2g} [{found.gap_low:.2g}, {found.gap_high:.2g}] "
        f"off the logit difference; expected at least {LEAST_GAP:g}, or an interval from "
        f"{STEADY:.0%} of it: shares of it are mostly noise"
    )


def fresh_pairs(spec: MeasuredSpec, vocabulary: Vocabulary) -> tuple[TokenPair, ...]:
    """The task's pairs of another seed, some of every condition; none where data were submitted."""
    if not isinstance(spec.data, TaskData):
        return ()
    task = spec.data.task
    seed = (spec.seed + OTHER_STREAM) % 2**32
    try:
        few = TASKS[task.name](task, vocabulary, spec.data.pairs, seed).discovery
        n = A_CONDITION * min(MOST_CONDITIONS, len({condition_of(pair) for pair in few}))
        return TASKS[task.name](task, vocabulary, n, seed).discovery
    except DatasetError:
        return ()


def repeats_answer(pairs: Sequence[TokenPair], vocabulary: Vocabulary) -> bool:
    """Whether the answer is, nearly always, what followed the last token's earlier copy."""

    def follows(pair: TokenPair) -> bool:
        at = pair.positions[-1]
        token = pair.clean[at]
        earlier = [i for i in range(at) if pair.clean[i] == token]
        return bool(earlier) and said(pair.clean[earlier[-1] + 1], vocabulary) in pair.answers[-1]

    answered = [pair for pair in pairs if any(pair.answers)]
    return sum(map(follows, answered)) >= 0.9 * max(1, len(answered))


def said(token: int, vocabulary: Vocabulary) -> int | None:
    """The logit that says a token; None where none does."""
    try:
        return vocabulary.output_of(token)
    except DatasetError:
        return None


@torch.no_grad()
def accuracy_by_condition(
    adapter: ModelAdapter, pairs: Sequence[TokenPair], chunk: int | None = None
) -> dict[str, float]:
    """How often the best answer outranks the best wrong one, by condition.

    Where conditions are of few pairs (each of a submitted file may be its own group), of all pairs
    together.
    """
    size = chunk or fitting(adapter, max(len(pair.clean) for pair in pairs))
    right: list[float] = []
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        batch = pad(adapter, [pair.clean for pair in part])
        target = target_of(part, adapter.device, wide(adapter.dtype))
        rows = at_positions(watched(adapter, batch), target.positions)
        right += accuracy(logits_at(adapter, rows), target).tolist()
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for pair, each in zip(pairs, right, strict=True):
        by_name[condition_of(pair)].append(each)
    if min(map(len, by_name.values())) < FEWEST:
        return {"all": float(np.mean(right))}
    return {name: float(np.mean(each)) for name, each in sorted(by_name.items())}
