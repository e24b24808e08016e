"""Occurrences counted without being listed, by sparse products.

The number of ways to bind a pattern's variables is a sum, over all choices of a node for each, of a
product of 0/1 matrices, one for each pair of variables that an edge joins. Such a sum is worked out
one variable at a time: a variable with one neighbour leaves a vector on it (how many nodes each can
go with), one with two leaves the product of two matrices on the pair. So the two receivers of a
bi-fan meet as the number of their common senders, and no occurrence is ever written down.

What a sum of products cannot say directly is expanded into several (inclusion and exclusion):

- that nodes are distinct: over the partitions of the variables, with Moebius' coefficients;
- that two nodes are apart (`induced`): everything, less where an edge joins them;
- that signs multiply to +: where all exist, less half of where all are settled, plus half the
  product of the settled ones (of two parallel edges with opposite signs neither is settled).

A pattern in which some variable keeps three neighbours to the end is left to `listing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, product
from math import factorial, prod

import numpy as np

from graph_schema.documents.motif import DepthRelation, Motif, Sign
from graph_schema.motifs.algebra import Algebra
from graph_schema.motifs.draws import Ints, Pairs, Relations, as_ints
from graph_schema.motifs.symmetry import automorphisms

Ends = tuple[int, int]
Blocks = tuple[int, ...]
"""By variable, the place of the block it is in: those of one block are bound to one node."""


class TooDenseError(Exception):
    """The pattern cannot be reduced one variable at a time."""


def count_by_products(relations: Relations, motif: Motif) -> Ints:
    """The number of occurrences in each draw.

    Raises:
        TooDenseError: Some variable keeps three neighbours.
    """
    place = {variable: number for number, variable in enumerate(motif.variables)}
    ends = [(place[edge.sender], place[edge.receiver]) for edge in motif.edges]
    kinds = [set(node.kinds) for node in motif.nodes]
    every = list(combinations(range(len(kinds)), 2))
    loose = [pair for pair in every if pair not in ends and pair[::-1] not in ends]
    meet = {(a, b) for a, b in loose if not kinds[a] or not kinds[b] or kinds[a] & kinds[b]}
    algebra = Algebra(relations)
    of = {pattern.variable: pattern for pattern in motif.nodes}
    bits = [relations.of(edge, of[edge.sender], of[edge.receiver]) for edge in motif.edges]
    if motif.induced:  # joined one way means apart the other way
        back = algebra.transposed(relations.forward)
        bits = [
            each if pair[::-1] in ends else algebra.without(each, back)
            for pair, each in zip(ends, bits, strict=True)
        ]
    total = np.zeros(relations.draws.n_draws, dtype=np.int64)
    for joined in _subsets(loose if motif.induced else []):
        for coefficient, blocks in _partitions(len(kinds), meet - set(joined)):
            for factor, factors in _signed(motif, bits, algebra):
                term = _Term(algebra, blocks)
                for pair, matrix in zip(ends, factors, strict=True):
                    term.multiply(pair, matrix)
                for pair in joined:
                    term.multiply(pair, algebra.either)
                for order in motif.depth:
                    term.order((place[order.left], place[order.right]), order.relation)
                total += (-1) ** len(joined) * coefficient * factor * term.value()
    return total // (2 ** len(motif.signs) * len(automorphisms(motif)))


def _subsets(pairs: list[Ends]) -> Iterator[tuple[Ends, ...]]:
    return chain.from_iterable(combinations(pairs, size) for size in range(len(pairs) + 1))


def _partitions(size: int, meet: set[Ends]) -> Iterator[tuple[int, Blocks]]:
    """The partitions of variables into blocks of which all pairs may meet, with coefficients.

    The sum of coefficient x [nodes are equal within blocks] is 1 where all nodes are distinct and 0
    elsewhere: Moebius' inversion on the lattice of partitions.
    """

    def extend(blocks: list[list[int]], variable: int) -> Iterator[list[list[int]]]:
        if variable == size:
            yield blocks
            return
        yield from extend([*blocks, [variable]], variable + 1)
        for number, block in enumerate(blocks):
            if all((other, variable) in meet for other in block):
                longer = [*blocks[:number], [*block, variable], *blocks[number + 1 :]]
                yield from extend(longer, variable + 1)

    for blocks in extend([], 0):
        sizes = [len(block) for block in blocks]
        coefficient = prod((-1) ** (n - 1) * factorial(n - 1) for n in sizes)
        of = {variable: number for number, block in enumerate(blocks) for variable in block}
        yield coefficient, tuple(of[variable] for variable in range(size))


def _signed(motif: Motif, bits: list[Pairs], algebra: Algebra) -> Iterator[tuple[int, list[Pairs]]]:
    """The edges' matrices such that the sum of coefficient x their product is 2^rules x allowed."""
    plain = [algebra.present(each) for each in bits]
    ways: list[list[tuple[int, dict[int, Pairs]]]] = []
    for rule in motif.signs:
        sign = 1 if rule.product is Sign.POSITIVE else -1
        ways.append(
            [
                (2, {edge: algebra.any_sign(bits[edge]) for edge in rule.edges}),
                (-1, {edge: algebra.settled(bits[edge]) for edge in rule.edges}),
                (sign, {edge: algebra.sign(bits[edge]) for edge in rule.edges}),
            ]
        )
    for choice in product(*ways):
        factors = plain.copy()
        for _, chosen in choice:
            for edge, matrix in chosen.items():
                factors[edge] = matrix
        yield prod(coefficient for coefficient, _ in choice), factors


class _Term:
    """A sum over all nodes for each block of the product of matrices on pairs of blocks."""

    def __init__(self, algebra: Algebra, blocks: Blocks) -> None:
        self.algebra = algebra
        self.blocks = blocks
        self.pairs: dict[Ends, Pairs] = {}
        """From the lower block to the higher."""
        self.orders: list[tuple[Ends, DepthRelation]] = []
        """Depth rules on pairs that no matrix joins yet."""
        self.weights: dict[int, Ints] = {}
        self.empty = False

    def multiply(self, ends: Ends, matrix: Pairs) -> None:
        """Take in a factor on two variables."""
        self._multiply((self.blocks[ends[0]], self.blocks[ends[1]]), matrix)

    def order(self, ends: Ends, relation: DepthRelation) -> None:
        """Take in a rule on the depths of two variables."""
        one, two = self.blocks[ends[0]], self.blocks[ends[1]]
        if one != two:
            self._order((one, two), relation)
        elif relation is DepthRelation.BEFORE:
            self.empty = True

    def _multiply(self, ends: Ends, matrix: Pairs) -> None:
        if ends[0] > ends[1]:
            ends, matrix = (ends[1], ends[0]), self.algebra.transposed(matrix)
        if ends in self.pairs:
            matrix = self.algebra.both(self.pairs[ends], matrix)
        self.pairs[ends] = matrix
        self.empty |= not matrix.nnz
        waiting, self.orders = self.orders, []
        for pair, relation in waiting:
            self._order(pair, relation)

    def _order(self, ends: Ends, relation: DepthRelation) -> None:
        low, high = min(ends), max(ends)
        if (low, high) not in self.pairs:
            self.orders.append((ends, relation))
            return
        matrix = self.pairs[low, high]
        if ends[0] == low:
            self.pairs[low, high] = self.algebra.ordered(matrix, relation)
        else:
            turned = self.algebra.ordered(self.algebra.transposed(matrix), relation)
            self.pairs[low, high] = self.algebra.transposed(turned)

    def value(self) -> Ints:
        """The sum in each draw.

        Raises:
            TooDenseError: Every block that is left has three neighbours.
        """
        draws, n_nodes = self.algebra.relations.draws.n_draws, self.algebra.relations.n_nodes
        left = set(self.blocks)
        while len(left) > 1 and not self.empty:
            left.remove(self._eliminated(left))
        if self.empty:
            return np.zeros(draws, dtype=np.int64)
        return self.weights[left.pop()].reshape(draws, n_nodes).sum(axis=1)

    def _eliminated(self, left: set[int]) -> int:
        """Sum over the cheapest block; returns which."""
        cheapest: tuple[float, int, list[int]] | None = None
        for block in sorted(left):
            near = sorted({a + b - block for a, b in self.pairs if block in (a, b)})
            if len(near) > 2 or any(block in pair for pair, _ in self.orders):
                continue
            cost = 0.0
            if len(near) == 2:
                degrees = [np.diff(self._from(block, other).indptr) for other in near]
                cost = float(np.dot(degrees[0].astype(np.float64), degrees[1]))
            if cheapest is None or cost < cheapest[0]:
                cheapest = (cost, block, near)
        if cheapest is None:
            raise TooDenseError
        _, block, near = cheapest
        weight = self.weights.pop(block, None)
        if len(near) == 1:
            matrix = self._from(near[0], block)
            ones = np.ones(self.algebra.relations.size, dtype=np.int64)
            found = as_ints(matrix @ (ones if weight is None else weight))
            self.weights[near[0]] = self.weights.get(near[0], ones) * found
        else:
            one, two = near
            mask = self.pairs.pop((one, two), None)
            ends = (self._from(one, block), self._from(block, two))
            self._multiply((one, two), self.algebra.through(ends[0], weight, ends[1], mask))
        self.pairs = {pair: m for pair, m in self.pairs.items() if block not in pair}
        return block

    def _from(self, one: int, two: int) -> Pairs:
        """The matrix on a pair, a row for each node of `one`."""
        if one < two:
            return self.pairs[one, two]
        return self.algebra.transposed(self.pairs[two, one])
