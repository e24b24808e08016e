"""Which pairs are held out: 70/30 by seed, in whole groups, identical prompts never parted."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Hashable, Sequence

HELDOUT_SHARE = 0.3


def heldout_indices(
    groups: Sequence[str | None],
    cleans: Sequence[Hashable],
    seed: int,
    min_discovery: int = 8,
) -> frozenset[int]:
    """Indices of the pairs to hold out, at most about 30 % of them.

    Pairs that share a group or a clean prompt stay together, through any chain of such pairs.
    Units are drawn in random order while they fit into the 30 %; where none fits (few large
    groups), the one nearest to it is taken. Discovery keeps `min_discovery` pairs or all.
    """
    n = len(groups)
    room = n - min_discovery
    target = min(round(HELDOUT_SHARE * n), room)
    if target <= 0:
        return frozenset()
    units = _units(groups, cleans)
    random.Random(f"splits:{seed}").shuffle(units)
    chosen: list[int] = []
    for unit in units:
        if len(chosen) + len(unit) <= target:
            chosen += unit
    if not chosen:
        nearest = min(units, key=lambda unit: abs(len(unit) - target))
        chosen = nearest if len(nearest) <= room else []
    return frozenset(chosen)


def _units(groups: Sequence[str | None], cleans: Sequence[Hashable]) -> list[list[int]]:
    """Connected components of pairs that share a group or a clean prompt, by first index."""
    parent = list(range(len(groups)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, (group, clean) in enumerate(zip(groups, cleans, strict=True)):
        for key in (("clean", clean), ("group", group)):
            if key != ("group", None):
                a, b = sorted((root(first.setdefault(key, i)), root(i)))
                parent[b] = a
    units: defaultdict[int, list[int]] = defaultdict(list)
    for i in range(len(groups)):
        units[root(i)].append(i)
    return list(units.values())
