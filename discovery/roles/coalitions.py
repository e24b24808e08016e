"""What a head is worth among heads of its kind: ablated after some of them, in many orders.

Heads with one pattern stand in for each other: in small models with four to eight previous-token
heads, ablating all of them takes everything, ablating one takes a hundredth. So a head is also
asked what it is worth when others of its pattern, its *kin*, are gone already: its Shapley value
(1953; for heads, Held and Yang 2023, arXiv:2210.05709), the mean over orders in which all are
ablated one after the other. The values of a kin sum to the effect of all of it. Orders are drawn,
each with its reverse, and are the same for every pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.progress import Report
from discovery.roles.causal import Head, silenced_on
from discovery.tasks.base import TokenPair

RUNS = 128
"""Of how many ablated sets a kin is judged, about; of a large one in fewer orders."""
ORDERS = 16


def orders(n: int, seed: int) -> list[tuple[int, ...]]:
    """Orders of `n` heads, each with its reverse; all that there are, where those are few."""
    wanted = min(ORDERS, max(2, RUNS // n // 2 * 2))
    rng = np.random.default_rng(seed)
    found: list[tuple[int, ...]] = []
    for _ in range(wanted // 2):
        order = tuple(rng.permutation(n).tolist())
        found += [order, order[::-1]]
    return found


def kin_effects(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    kin: Sequence[Head],
    *,
    seed: int,
    chunk: int | None = None,
    progress: Report | None = None,
) -> NDArray[np.float64]:
    """[head of kin, pair]: what each adds to the loss, mean over orders of ablating all of them."""
    graph = experiment.graph
    senders = [graph.head_sender(layer, head) for layer, head in kin]
    taken = orders(len(kin), seed)
    sets = sorted({tuple(sorted(order[:n])) for order in taken for n in range(len(kin) + 1)})
    losses = silenced_on(
        experiment,
        pairs,
        [[senders[i] for i in each] for each in sets],
        chunk=chunk,
        progress=progress,
    )
    loss = dict(zip(sets, losses, strict=True))
    found = np.zeros((len(kin), len(pairs)))
    for order in taken:
        for place, head in enumerate(order):
            rise = loss[tuple(sorted(order[: place + 1]))] - loss[tuple(sorted(order[:place]))]
            found[head] += rise / len(taken)
    return found
