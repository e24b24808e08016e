"""Where nodes stand in a drawing: y is depth in the forward pass, x comes of barycentre sweeps.

Layered drawing after Sugiyama et al. (1981), with the layers given: a node's row is its place in
the forward pass. Sweeps down and up order each row by the mean place of a node's neighbours,
weighted by |score|, and set it as near to that as its neighbours in the row allow. Edges that cross
many rows get no dummy nodes, which is why 20,000 of them take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SWEEPS = 8
Places = NDArray[np.float64]
Numbers = NDArray[np.int64]


def layered(
    rows: Numbers, senders: Numbers, receivers: Numbers, weights: Places, sweeps: int = SWEEPS
) -> Places:
    """The x of every node, at least 1 apart in a row, around 0.

    Args:
        rows: Each node's row, ascending: nodes are numbered in the order of the forward pass.
        senders: Each edge's sender, by number.
        receivers: Likewise.
        weights: How much each edge pulls.
        sweeps: Times down and up.
    """
    bounds = _bounds(rows)
    x = np.zeros(len(rows))
    for low, high in bounds:
        x[low:high] = np.arange(high - low) - (high - low - 1) / 2
    if not len(senders):
        return x
    down = _Pull(receivers, senders, weights, bounds)
    up = _Pull(senders, receivers, weights, bounds)
    for _ in range(sweeps):
        for place in range(len(bounds)):
            _settle(x, bounds[place], down.wanted(x, place))
        for place in reversed(range(len(bounds))):
            _settle(x, bounds[place], up.wanted(x, place))
    return x


def by_position(rows: Numbers, positions: Sequence[int | None]) -> Places:
    """The x of every node of one prompt's graph: a column a position, as wide as its fullest row.

    Nodes without a position stand right of all others, where the logits are.
    """
    last = max((each for each in positions if each is not None), default=-1) + 1
    columns = np.array([last if each is None else each for each in positions], dtype=np.int64)
    at = np.zeros(len(rows))
    widths = np.ones(last + 1)
    taken: dict[tuple[int, int], int] = {}
    for node, cell in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        at[node] = taken.get(cell, 0)
        taken[cell] = int(at[node]) + 1
        widths[cell[1]] = max(widths[cell[1]], taken[cell])
    starts = np.concatenate([[0.0], np.cumsum(widths + 0.5)[:-1]])
    return starts[columns] + at


def _bounds(rows: Numbers) -> list[tuple[int, int]]:
    """First and last (exclusive) node of every row."""
    edges = np.flatnonzero(np.diff(rows)) + 1
    cuts = [0, *edges.tolist(), len(rows)]
    return list(pairwise(cuts)) if len(rows) else []


class _Pull:
    """Where the neighbours on one side of a row want its nodes to be."""

    def __init__(
        self, ends: Numbers, others: Numbers, weights: Places, bounds: list[tuple[int, int]]
    ) -> None:
        order = np.argsort(ends, kind="stable")
        self._ends, self._others, self._weights = ends[order], others[order], weights[order]
        lows = np.searchsorted(self._ends, [low for low, _ in bounds])
        highs = np.searchsorted(self._ends, [high for _, high in bounds])
        self._edges = list(zip(lows.tolist(), highs.tolist(), strict=True))
        self._bounds = bounds

    def wanted(self, x: Places, place: int) -> Places:
        """The weighted mean x of each node's neighbours; its own x where it has none."""
        low, high = self._bounds[place]
        edges = slice(*self._edges[place])
        at, size = self._ends[edges] - low, high - low
        weights = self._weights[edges]
        pull = np.bincount(at, weights * x[self._others[edges]], minlength=size)
        total = np.bincount(at, weights, minlength=size)
        return np.divide(pull, total, out=x[low:high].copy(), where=total > 0)


def _settle(x: Places, bounds: tuple[int, int], wanted: Places) -> None:
    """Give a row's nodes the places nearest to the wanted ones, in their order, 1 apart.

    Least squares under x[i + 1] - x[i] >= 1: an isotonic regression of wanted[i] - i, by pooling
    adjacent violators.
    """
    low, high = bounds
    order = np.argsort(wanted, kind="stable")
    steps = np.arange(high - low, dtype=np.float64)
    sums: list[float] = []
    sizes: list[int] = []
    for value in (wanted[order] - steps).tolist():
        total, size = value, 1
        while sums and sums[-1] * size > total * sizes[-1]:
            total += sums.pop()
            size += sizes.pop()
        sums.append(total)
        sizes.append(size)
    means = np.divide(sums, sizes)
    x[low + order] = np.repeat(means, sizes) + steps
