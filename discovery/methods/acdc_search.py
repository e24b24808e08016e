"""The τ that leaves a wanted number of edges, found by runs that share their work."""

from __future__ import annotations

import math
from collections.abc import Callable

from discovery.methods.acdc import Pruned, Pruner

MAX_RUNS = 24


def prune_to(
    pruner: Pruner, n_edges: int, *, on_run: Callable[[int], None] | None = None
) -> Pruned:
    """What the τ nearest to keeping `n_edges` keeps.

    Each run halves (by interpolation, in logarithms) what lies between a τ that keeps too much
    and one that keeps too little, and begins where the nearest earlier run parts from it. Not
    every number can be had: an edge's fate moves others. Among equally near, the smaller.
    `on_run` is told how many runs are done.
    """
    low: Pruned | None = None  # keeps too much
    high: Pruned | None = None  # keeps too little
    best: Pruned | None = None
    threshold = max(pruner.mean_gap(), 1e-9) / (4 * n_edges)
    for number in range(MAX_RUNS):
        if on_run:
            on_run(number)
        found = pruner.run(threshold)
        if best is None or _distance(found, n_edges) < _distance(best, n_edges):
            best = found
        if found.n_edges == n_edges:
            break
        if found.n_edges > n_edges:
            low = found
        else:
            high = found
        following = _between(low, high, n_edges)
        if following is None:
            break
        threshold = following
    assert best is not None
    return best


def _distance(found: Pruned, n_edges: int) -> tuple[int, int]:
    return abs(found.n_edges - n_edges), found.n_edges


def _between(low: Pruned | None, high: Pruned | None, n_edges: int) -> float | None:
    """The next τ; None where no τ between the two decides otherwise than they do."""
    if low is None:
        assert high is not None
        return high.threshold / 8 if high.largest_removed > 0 else None
    if high is None:
        return max(low.threshold * 8, low.smallest_kept * 2)
    # A run decides alike for every τ from above its largest removed rise to its smallest kept.
    least, most = low.smallest_kept, high.largest_removed
    if not least < most:
        return None
    a, b = math.log1p(low.n_edges), math.log1p(high.n_edges)
    share = (a - math.log1p(n_edges)) / (a - b)
    share = min(max(share, 0.15), 0.85)
    threshold = least * (most / least) ** share
    return threshold if least < threshold <= most else None
