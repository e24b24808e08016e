"""The null for wiring: graphs with every node's degrees towards every layer kept.

Two edges that run between the same two layers exchange their receivers, many times over. Untyped
motifs are held against rewirings of the bare graph (parallel edges as one); where a motif names
channels, kinds or signs, what is exchanged are receivers' inputs (`a7.h2<q>`), so each input keeps
its degree, and every sender keeps its scores. All swaps run in all draws at once.

The chain is run from the observed graph to a hub and from the hub anew for each draw (Besag and
Clifford 1989), which makes the observed graph one of the draws under the null however well the
chain mixes. If there are no more graphs than draws asked for, all of them are listed instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from graph_schema.motifs.draws import Bools, Draws, Ints, NullDraws
from graph_schema.motifs.graph import CircuitGraph

SWAPS_PER_EDGE = 20
_CELLS = 50_000_000
"""Upper bound on draws x senders x inputs held at a time."""


def all_rewired(graph: CircuitGraph, limit: int, *, bare: bool) -> NullDraws | None:
    """Every graph of the null, scores apart; None if there are more than `limit`."""
    table = _Table.of(graph, bare=bare)
    listed = table.all_targets(limit)
    return None if listed is None else NullDraws(iter([table.draws(listed)]), exact=True)


def rewired(graph: CircuitGraph, draws: int, rng: np.random.Generator, *, bare: bool) -> NullDraws:
    """Graphs as `graph` with its receivers exchanged within each pair of layers.

    Args:
        graph: The observed graph.
        draws: How many.
        rng: Where chance comes from.
        bare: Parallel edges count as one, and channels and scores are dropped.
    """
    table = _Table.of(graph, bare=bare)
    step = max(1, _CELLS // max(1, table.n_cells))

    def drawn() -> Iterator[Draws]:
        hub = _swapped(table, table.target[None, :], rng)
        for done in range(0, draws, step):
            yield table.draws(_swapped(table, np.repeat(hub, min(step, draws - done), 0), rng))

    return NullDraws(drawn(), exact=False)


@dataclass(frozen=True)
class _Table:
    """Edges ordered by block (pair of layers). A target is an input: a node and a channel."""

    graph: CircuitGraph
    sender: Ints
    target: Ints
    sign: Ints
    starts: Ints
    """Where each block begins, and the number of edges at the end."""
    target_node: Ints
    target_channel: Ints
    n_targets: int

    @classmethod
    def of(cls, graph: CircuitGraph, *, bare: bool) -> _Table:
        whole = Draws.of(graph)
        sender, receiver = whole.sender[0], whole.receiver[0]
        channel, sign = whole.channel[0], whole.sign[0]
        if bare:
            pairs = np.unique(np.stack([sender, receiver], axis=1), axis=0).reshape(-1, 2)
            sender, receiver = pairs[:, 0], pairs[:, 1]
            channel, sign = np.zeros_like(sender), np.zeros_like(sender)
        depth = np.array([node.depth for node in graph.nodes])
        ends = np.stack([depth[sender], depth[receiver]], axis=1).reshape(-1, 2)
        _, block = np.unique(ends, axis=0, return_inverse=True)
        order = np.lexsort((sender, block.reshape(-1)))
        sender, receiver, channel = sender[order], receiver[order], channel[order]
        inputs = np.stack([receiver, channel], axis=1).reshape(-1, 2)
        known, target = np.unique(inputs, axis=0, return_inverse=True)
        counts = np.bincount(block.reshape(-1)) if len(sender) else np.zeros(0, dtype=np.int64)
        return cls(
            graph,
            sender,
            target.reshape(-1).astype(np.int64),
            sign[order],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            known[:, 0],
            known[:, 1],
            len(known),
        )

    @property
    def n_cells(self) -> int:
        return len(self.graph.nodes) * self.n_targets

    def draws(self, target: Ints) -> Draws:
        def rows(values: Ints) -> Ints:
            return np.broadcast_to(values, target.shape)

        return Draws.of(self.graph).rewired(
            rows(self.sender),
            self.target_node[target],
            self.target_channel[target],
            rows(self.sign),
        )

    def all_targets(self, limit: int) -> Ints | None:
        """The targets of every graph there is, a row each; None if there are more than `limit`."""
        blocks: list[list[tuple[int, ...]]] = []
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            try:
                blocks.append(self._block_targets(int(start), int(stop), limit))
            except _TooManyError:
                return None
            if prod(len(block) for block in blocks) > limit:
                return None
        rows = [[target for part in choice for target in part] for choice in product(*blocks)]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self.sender))

    def _block_targets(self, start: int, stop: int, limit: int) -> list[tuple[int, ...]]:
        """All ways to give one block's senders their receivers."""
        degrees = list(Counter(self.sender[start:stop].tolist()).items())
        free = Counter(self.target[start:stop].tolist())
        found: list[tuple[int, ...]] = []

        def ways(place: int) -> Iterator[tuple[int, ...]]:
            """The receivers that the sender at `place` can have of those that are free."""
            sender, degree = degrees[place]
            able = [t for t in sorted(free) if free[t] and self.target_node[t] != sender]
            return combinations(able, degree)

        # One sender after the other; `chosen` holds what those before took, `waiting` what each of
        # them has still to try. A search lost in dead ends is given up as one that finds too much.
        chosen: list[tuple[int, ...]] = []
        waiting = [ways(0)]
        for _ in range(2 * (50 * limit + len(degrees))):
            picked = next(waiting[-1], None)
            if picked is None:
                waiting.pop()
                if not chosen:
                    return found
                free.update(chosen.pop())
                continue
            if len(waiting) == len(degrees):
                found.append((*(t for part in chosen for t in part), *picked))
                if len(found) > limit:
                    raise _TooManyError
                continue
            free.subtract(picked)
            chosen.append(picked)
            waiting.append(ways(len(waiting)))
        raise _TooManyError


class _TooManyError(Exception):
    """There are more graphs than we care to list."""


def _swapped(table: _Table, target: Ints, rng: np.random.Generator) -> Ints:
    """`target` (a row a draw) after `SWAPS_PER_EDGE` attempted swaps an edge in every block."""
    target = target.copy()
    draws = np.arange(len(target))[:, None]
    taken: NDArray[np.bool_] = np.zeros((len(target), table.n_cells), dtype=np.bool_)
    taken[draws, table.sender * table.n_targets + target] = True
    starts, sizes = table.starts[:-1], np.diff(table.starts)
    movable = sizes > 1
    starts, sizes = starts[movable], sizes[movable]
    for done in range(int(SWAPS_PER_EDGE * sizes.max(initial=0))):
        active = SWAPS_PER_EDGE * sizes > done
        size = sizes[active]
        shape = (len(target), len(size))
        one = rng.integers(0, size, shape)
        two = (one + rng.integers(1, size, shape)) % size
        _swap(table, target, taken, starts[active] + one, starts[active] + two)
    return target


def _swap(table: _Table, target: Ints, taken: Bools, one: Ints, two: Ints) -> None:
    """Exchange the targets of edges `one` and `two` (an edge a block and draw) where allowed.

    Blocks share no cell, so the order within a step does not matter.
    """
    draws = np.arange(len(target))[:, None]
    first, second = table.sender[one], table.sender[two]
    near, far = target[draws, one], target[draws, two]
    near_cell, far_cell = first * table.n_targets + far, second * table.n_targets + near
    free = ~(taken[draws, near_cell] | taken[draws, far_cell])
    free &= (table.target_node[far] != first) & (table.target_node[near] != second)
    # One sender's edges may always exchange receivers: it rearranges their scores.
    moved = free | (first == second)
    rows, columns = np.nonzero(moved)
    one, two, near, far = (part[rows, columns] for part in (one, two, near, far))
    first, second = table.sender[one], table.sender[two]
    taken[rows, first * table.n_targets + near] = False
    taken[rows, second * table.n_targets + far] = False
    taken[rows, first * table.n_targets + far] = True
    taken[rows, second * table.n_targets + near] = True
    target[rows, one], target[rows, two] = far, near
