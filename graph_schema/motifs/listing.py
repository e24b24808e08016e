"""Occurrences of a motif, listed by joins over sparse rows, a bounded number of rows at a time.

A table has a row for every partial binding; one variable after the other is added to it from the
neighbours of a node that is bound already. A table that would outgrow `ROWS` is worked off in
pieces, each to its end before the next, so memory is bounded however many occurrences there are.
The meaning is the plain matcher's (`matching`), and tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents.motif import DepthRelation, Motif, Sign, SignRule
from graph_schema.motifs.draws import (
    NEGATIVE,
    POSITIVE,
    Bools,
    Floats,
    Ints,
    Pairs,
    Relations,
    as_ints,
)
from graph_schema.motifs.symmetry import name_orders

ROWS = 250_000
"""Rows of a table that are extended together."""

COMPARE: Mapping[DepthRelation, Callable[[Floats, Floats], NDArray[np.bool_]]] = {
    DepthRelation.BEFORE: np.less,
    DepthRelation.NOT_AFTER: np.less_equal,
    DepthRelation.SAME: np.equal,
}


def binding_tables(relations: Relations, motif: Motif) -> Iterator[Ints]:
    """All occurrences in all draws, in tables: a row each, a column a variable.

    Entries are nodes as `relations` numbers them; no order is promised.
    """
    return _Listing(relations, motif).tables()


@dataclass(frozen=True)
class _Step:
    """How a variable is added: as a neighbour, through one edge, of one that is bound."""

    variable: str
    anchor: str
    pairs: Pairs
    """A row for each node that the anchor can be, its neighbours for columns."""


class _Listing:
    def __init__(self, relations: Relations, motif: Motif) -> None:
        self.relations = relations
        self.motif = motif
        of = {pattern.variable: pattern for pattern in motif.nodes}
        self.pairs = [
            relations.of(edge, of[edge.sender], of[edge.receiver]) for edge in motif.edges
        ]
        self.orders = name_orders(motif)
        named = {(edge.sender, edge.receiver) for edge in motif.edges}
        pairs = permutations(motif.variables, 2) if motif.induced else ()
        self.apart = [ends for ends in pairs if ends not in named]
        self.start, self.steps = self._plan()

    def tables(self) -> Iterator[Ints]:
        edge, pairs = self.motif.edges[self.start], self.pairs[self.start].tocoo()
        names = [edge.sender, edge.receiver]
        table = np.stack([pairs.row, pairs.col], axis=1).astype(np.int64)
        for start in range(0, len(table), ROWS):
            rows = table[start : start + ROWS]
            yield from self._extended(rows[self._holds(rows, names, 2)], names, 0)

    def _plan(self) -> tuple[int, list[_Step]]:
        """The edge with the fewest pairs first, then always the fewest of those that go on."""
        sizes = [pairs.nnz for pairs in self.pairs]
        start = int(np.argmin(sizes))
        bound = {self.motif.edges[start].sender, self.motif.edges[start].receiver}
        steps: list[_Step] = []
        while len(bound) < len(self.motif.nodes):
            _, place = min(
                (size, place)
                for place, (size, edge) in enumerate(zip(sizes, self.motif.edges, strict=True))
                if len({edge.sender, edge.receiver} & bound) == 1
            )
            edge, pairs = self.motif.edges[place], self.pairs[place]
            if edge.sender in bound:
                steps.append(_Step(edge.receiver, edge.sender, pairs))
            else:
                steps.append(_Step(edge.sender, edge.receiver, Pairs(pairs.T)))
            bound.add(steps[-1].variable)
        return start, steps

    def _extended(self, table: Ints, names: list[str], done: int) -> Iterator[Ints]:
        """The whole occurrences that begin as the rows of `table`, which binds `names`."""
        if not len(table):
            return
        if done == len(self.steps):
            table = table[:, [names.index(name) for name in self.motif.variables]]
            kept = np.ones(len(table), dtype=np.bool_)
            for rule in self.motif.signs:
                kept &= self._has_product(table, rule)
            yield table[kept]
            return
        step = self.steps[done]
        anchor = table[:, names.index(step.anchor)]
        first = step.pairs.indptr[anchor].astype(np.int64)
        ends = np.cumsum(step.pairs.indptr[anchor + 1] - first)
        row = 0
        names = [*names, step.variable]
        while row < len(table):
            before = ends[row - 1] if row else 0
            stop = max(row + 1, int(np.searchsorted(ends, before + ROWS, side="right")))
            sizes = np.diff(ends[row:stop], prepend=before)
            rows = np.repeat(np.arange(row, stop), sizes)
            within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            new = step.pairs.indices[first[rows] + within].astype(np.int64)
            longer = np.column_stack([table[rows], new])
            yield from self._extended(longer[self._holds(longer, names, 1)], names, done + 1)
            row = stop

    def _holds(self, table: Ints, names: list[str], n_new: int) -> Bools:
        """The rows that obey what is said of the last `n_new` of `names`, sign rules apart."""
        columns = {name: table[:, place] for place, name in enumerate(names)}
        kept = np.ones(len(table), dtype=np.bool_)

        def decided(one: str, two: str) -> bool:
            return one in columns and two in columns and bool({one, two} & set(names[-n_new:]))

        for place, one in enumerate(names):
            for two in names[place + 1 :]:
                if decided(one, two):
                    kept &= columns[one] != columns[two]
        for order in self.motif.depth:
            if decided(order.left, order.right):
                left, right = (self.relations.depth[columns[n]] for n in (order.left, order.right))
                kept &= COMPARE[order.relation](left, right)
        for smaller, larger in self.orders:
            if decided(smaller, larger):
                # Nodes are ordered by name, so numbers compare as names do.
                kept &= columns[smaller] < columns[larger]
        for edge, pairs in zip(self.motif.edges, self.pairs, strict=True):
            if decided(edge.sender, edge.receiver):
                kept &= bits_at(pairs, columns[edge.sender], columns[edge.receiver]) != 0
        for one, two in self.apart:
            if decided(one, two):
                kept &= bits_at(self.relations.forward, columns[one], columns[two]) == 0
        return kept

    def _has_product(self, table: Ints, rule: SignRule) -> Bools:
        """Whether some choice of one sign an edge multiplies to the rule's product."""
        positive = np.ones(len(table), dtype=np.bool_)
        negative = np.zeros(len(table), dtype=np.bool_)
        for place in rule.edges:
            edge = self.motif.edges[place]
            ends = (self.motif.variables.index(name) for name in (edge.sender, edge.receiver))
            bits = bits_at(self.pairs[place], *(table[:, column] for column in ends))
            plus, minus = (bits & POSITIVE) != 0, (bits & NEGATIVE) != 0
            positive, negative = (
                (positive & plus) | (negative & minus),
                (positive & minus) | (negative & plus),
            )
        return positive if rule.product is Sign.POSITIVE else negative


def bits_at(pairs: Pairs, rows: Ints, columns: Ints) -> Ints:
    """What `pairs` holds of these pairs, 0 where nothing."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    return as_ints(pairs[rows, columns])
