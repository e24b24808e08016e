"""What sets of heads are worth on a task, and random sets of as many heads alike in depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from discovery.evaluation.measured import Measured, PerPair
from discovery.progress import Report
from discovery.roles.causal import Head, alike, silenced_on
from graph_schema.documents.role import LEAST_CONTROL_SETS
from graph_schema.documents.specificity import RandomSets
from graph_schema.errors import NonFiniteError

HeadSet = tuple[Head, ...]
"""In the order of layer and number, so that equal sets are equal."""
TRIES = 20
"""Draws a set that is asked for, before there are taken to be no more."""


def random_sets(
    n_layers: int, n_heads: int, members: Sequence[Head], draws: int, seed: int
) -> list[HeadSet]:
    """Up to `draws` distinct sets of as many heads as `members`, none of them a member.

    Each member is replaced by a head alike in depth (`causal.alike`), at random.
    """
    near = {
        member: [
            each for each in alike(n_layers, n_heads, member, seed) if each not in set(members)
        ]
        for member in members
    }
    rng = np.random.default_rng([seed, len(members)])
    found: dict[HeadSet, None] = {}
    for _ in range(TRIES * draws):
        if len(found) == draws:
            break
        chosen: set[Head] = set()
        for place in rng.permutation(len(members)):
            free = [each for each in near[members[place]] if each not in chosen]
            if not free:
                break
            chosen.add(free[rng.integers(len(free))])
        if len(chosen) == len(members):
            found[tuple(sorted(chosen))] = None
    return list(found)


def set_effects(
    split: Measured,
    sets: Sequence[HeadSet],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> dict[HeadSet, PerPair]:
    """What ablating each set of heads adds to the loss of each of the split's pairs.

    A set that is asked for twice is ablated once; a chunk's whole model is run once for all.

    Raises:
        NonFiniteError: An effect is NaN or infinite.
    """
    experiment, pairs = split.experiment, split.pairs
    wanted = list(dict.fromkeys(sets))
    senders = [[experiment.graph.head_sender(*head) for head in each] for each in wanted]
    losses = silenced_on(experiment, pairs, [[], *senders], chunk=chunk, progress=progress)
    if not np.isfinite(losses).all():
        raise NonFiniteError(experiment.describe_overflow(pairs))
    return dict(zip(wanted, losses[1:] - losses[0], strict=True))


def beside(role: float, random: Sequence[float]) -> RandomSets | None:
    """The shares of random sets beside a role's; None where they are too few."""
    if len(random) < LEAST_CONTROL_SETS:
        return None
    low, high = np.quantile(random, [0.025, 0.975])
    as_large = sum(each >= role for each in random)
    return RandomSets(
        mean=float(np.mean(random)),
        low=float(low),
        high=float(high),
        sets=len(random),
        p=(1 + as_large) / (len(random) + 1),
    )
