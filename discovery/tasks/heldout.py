"""Which pairs are held out: 70/30 by seed, in whole groups, pairs of one prompt never parted."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

HELDOUT_SHARE = 0.3


def heldout_indices(
    groups: Sequence[str | None],
    prompts: Sequence[tuple[Hashable, ...]],
    seed: int,
    min_discovery: int = 8,
) -> frozenset[int]:
    """Indices of the pairs to hold out, at most about 30 % of them.

    Pairs that share a group or a prompt stay together, through any chain of such pairs, whichever
    of a pair's `prompts` (clean and corrupt) it is: A -> B tells what B -> A asks.
    Units are drawn in random order while they fit into the 30 %; where none fits (few large
    groups), the one nearest to it is taken. Discovery keeps `min_discovery` pairs or all.
    """
    n = len(groups)
    room = n - min_discovery
    target = min(round(HELDOUT_SHARE * n), room)
    if target <= 0:
        return frozenset()
    units = _units(groups, prompts)
    random.Random(f"splits:{seed}").shuffle(units)
    chosen: list[int] = []
    for unit in units:
        if len(chosen) + len(unit) <= target:
            chosen += unit
    if not chosen:
        nearest = min(units, key=lambda unit: abs(len(unit) - target))
        chosen = nearest if len(nearest) <= room else []
    return frozenset(chosen)


def _units(
    groups: Sequence[str | None], prompts: Sequence[tuple[Hashable, ...]]
) -> list[list[int]]:
    """Connected components of pairs that share a group or a prompt, by first index."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, nodes = len(groups), dict[Hashable, int]()
    ends: list[tuple[int, int]] = []
    for i, (group, own) in enumerate(zip(groups, prompts, strict=True)):
        keys: list[Hashable] = [("prompt", prompt) for prompt in own]
        if group is not None:
            keys.append(("group", group))
        ends += [(i, nodes.setdefault(key, n + len(nodes))) for key in keys]
    size = n + len(nodes)
    links = coo_array((np.ones(len(ends)), np.array(ends).T), shape=(size, size))
    _, member = connected_components(links, directed=False)
    units: defaultdict[int, list[int]] = defaultdict(list)
    for i, unit in enumerate(member[:n].tolist()):
        units[unit].append(i)
    return list(units.values())
