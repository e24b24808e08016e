"""Does the circuit hang on which answer belongs to which prompt? Pairs with answers dealt out anew.

The circuit's own method is run on them (full_work.py). With two possible answers about half of the
pairs get the like of their own, and any answer needs most of what the right one does: what is found
shares many edges with the circuit and is faithful in itself, so it is no level of chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric


def shuffled(
    pairs: Sequence[TokenPair], metric: Metric, rng: np.random.Generator
) -> tuple[TokenPair, ...]:
    """Pairs with the answers of others that ask at as many positions.

    `kl` reads no answers, so there corrupt prompts of the same length are dealt out anew instead.
    """
    by_kl = metric is Metric.KL
    keys = [len(pair.corrupt) if by_kl else len(pair.positions) for pair in pairs]
    found = list(pairs)
    for key in sorted(set(keys)):
        members = rng.permutation([i for i, mine in enumerate(keys) if mine == key])
        # A cycle: nobody keeps their own.
        for mine, other in zip(members, np.roll(members, 1), strict=True):
            one, two = pairs[int(mine)], pairs[int(other)]
            found[int(mine)] = (
                replace(one, corrupt=two.corrupt)
                if by_kl
                else replace(
                    one,
                    answers=two.answers,
                    wrong_answers=two.wrong_answers,
                    weights=two.weights,
                )
            )
    return tuple(found)


def n_kept(pairs: Sequence[TokenPair], dealt: Sequence[TokenPair], metric: Metric) -> int:
    """How many pairs were dealt the like of their own: of what the metric takes for right."""

    def right(pair: TokenPair) -> object:
        if metric is Metric.KL:
            return pair.corrupt
        return pair.weights if metric is Metric.LINEAR else pair.answers

    return sum(right(one) == right(other) for one, other in zip(pairs, dealt, strict=True))
