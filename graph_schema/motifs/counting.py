"""Counting a motif in many wirings of the same nodes at once.

The null models need the number of occurrences in thousands of graphs. Here all draws go through
one join: a table with a row for every partial binding of every draw, which grows by one variable at
a time. The meaning is the matcher's, and tests hold the counts equal to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents.component import Channel
from graph_schema.documents.motif import DepthRelation, EdgePattern, Motif, Sign
from graph_schema.motifs.graph import CircuitGraph, GraphNode
from graph_schema.motifs.matching import binding_order
from graph_schema.motifs.symmetry import name_orders

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CHANNELS = {channel: code for code, channel in enumerate(Channel)}
_CELLS = 4_000_000
"""Upper bound on draws x nodes x nodes held at a time."""
_PRESENT, _POSITIVE, _NEGATIVE = np.uint8(1), np.uint8(2), np.uint8(4)


@dataclass(frozen=True)
class Wirings:
    """Edges of several graphs on the same nodes: row d of an array is draw d, a column an edge.

    Senders and receivers are places in `nodes`, channels codes of `CHANNELS`, signs -1, 0 or 1.
    """

    nodes: tuple[GraphNode, ...]
    sender: Ints
    receiver: Ints
    channel: Ints
    sign: Ints

    @classmethod
    def of(cls, graph: CircuitGraph) -> Wirings:
        """The graph itself, as one draw."""

        def row(values: list[int]) -> Ints:
            return np.array([values], dtype=np.int64).reshape(1, len(graph.edges))

        return cls(
            graph.nodes,
            row([graph.index[edge.sender] for edge in graph.edges]),
            row([graph.index[edge.receiver] for edge in graph.edges]),
            row([CHANNELS[edge.channel] for edge in graph.edges]),
            row([int(np.sign(edge.score)) for edge in graph.edges]),
        )

    @property
    def n_draws(self) -> int:
        return self.sender.shape[0]

    def part(self, start: int, stop: int) -> Wirings:
        return Wirings(
            self.nodes,
            self.sender[start:stop],
            self.receiver[start:stop],
            self.channel[start:stop],
            self.sign[start:stop],
        )


def count_occurrences(wirings: Wirings, motif: Motif) -> Ints:
    """The number of occurrences of `motif` in each draw."""
    step = max(1, _CELLS // max(1, len(wirings.nodes)) ** 2)
    counts = [
        np.bincount(draw, minlength=part.n_draws)
        for part in (wirings.part(s, s + step) for s in range(0, wirings.n_draws, step))
        for draw, _ in [_join(part, motif, allowed_nodes(wirings.nodes, motif))]
    ]
    return np.concatenate(counts).astype(np.int64)


def binding_table(
    graph: CircuitGraph, motif: Motif, allowed: Mapping[str, Bools] | None = None
) -> Ints:
    """All occurrences in one graph: a row each, a column a variable, entries places in `nodes`.

    `allowed` says, in place of the pattern's roles and kinds, which nodes a variable may take.
    """
    return _join(Wirings.of(graph), motif, allowed or allowed_nodes(graph.nodes, motif))[1]


def allowed_nodes(nodes: tuple[GraphNode, ...], motif: Motif) -> dict[str, Bools]:
    """By variable, which nodes have one of its roles and one of its kinds."""
    return {
        pattern.variable: np.array(
            [
                (not pattern.roles or node.role in pattern.roles)
                and (not pattern.kinds or node.kind in pattern.kinds)
                for node in nodes
            ],
            dtype=np.bool_,
        )
        for pattern in motif.nodes
    }


@dataclass(frozen=True)
class _Relation:
    """The pairs of nodes that satisfy one pattern edge, by draw, as bits in [draw, node, node]."""

    bits: NDArray[np.uint8]

    def holds(self, draw: Ints, sender: Ints, receiver: Ints) -> Bools:
        return self.bits[draw, sender, receiver] != 0

    def pairs(self) -> tuple[Ints, Ints, Ints]:
        draw, sender, receiver = np.nonzero(self.bits)
        return draw, sender, receiver


def _relation(wirings: Wirings, edge: EdgePattern, sender: Bools, receiver: Bools) -> _Relation:
    """`sender` and `receiver` say which nodes their patterns allow."""
    n = len(wirings.nodes)
    keep = sender[wirings.sender] & receiver[wirings.receiver]
    if edge.channels:
        keep &= np.isin(wirings.channel, [CHANNELS[channel] for channel in edge.channels])
    if edge.sign is not None:
        keep &= wirings.sign == (1 if edge.sign is Sign.POSITIVE else -1)
    bits = np.zeros((wirings.n_draws, n, n), dtype=np.uint8)
    draw = np.nonzero(keep)[0]
    ends = (draw, wirings.sender[keep], wirings.receiver[keep])
    sign = wirings.sign[keep]
    for bit, chosen in ((_PRESENT, sign == sign), (_POSITIVE, sign > 0), (_NEGATIVE, sign < 0)):
        # Parallel edges set the same bit twice, which is harmless.
        where = tuple(part[chosen] for part in ends)
        bits[where] |= bit
    return _Relation(bits)


def _join(wirings: Wirings, motif: Motif, allowed: Mapping[str, Bools]) -> tuple[Ints, Ints]:
    """Draw and bound nodes of every occurrence."""
    relations = [
        _relation(wirings, edge, allowed[edge.sender], allowed[edge.receiver])
        for edge in motif.edges
    ]
    depth = np.array([node.depth for node in wirings.nodes])
    first, *rest = binding_order(motif)
    start = next(i for i, e in enumerate(motif.edges) if first in (e.sender, e.receiver))
    draw, sender, receiver = relations[start].pairs()
    edge = motif.edges[start]
    # The first edge binds both its ends; `first` comes again below only as a filter.
    bound = {edge.sender: sender, edge.receiver: receiver}
    draw, bound = _filtered(draw, bound, motif, relations, depth, wirings)
    for variable in rest:
        if variable in bound:
            continue
        draw, bound = _extended(draw, bound, variable, motif, relations)
        draw, bound = _filtered(draw, bound, motif, relations, depth, wirings)
    kept = np.ones(len(draw), dtype=np.bool_)
    for rule in motif.signs:
        kept &= _has_product(
            [
                relations[place].bits[draw, bound[edge.sender], bound[edge.receiver]]
                for place in rule.edges
                for edge in [motif.edges[place]]
            ],
            rule.product,
        )
    table = np.stack([bound[variable][kept] for variable in motif.variables], axis=1)
    return draw[kept], table


def _extended(
    draw: Ints, bound: dict[str, Ints], variable: str, motif: Motif, relations: list[_Relation]
) -> tuple[Ints, dict[str, Ints]]:
    """Every row with every neighbour that one pattern edge offers for `variable`."""
    place = next(
        place
        for place, edge in enumerate(motif.edges)
        if (edge.sender == variable and edge.receiver in bound)
        or (edge.receiver == variable and edge.sender in bound)
    )
    edge, bits = motif.edges[place], relations[place].bits
    forward = edge.receiver == variable
    anchor = bound[edge.sender if forward else edge.receiver]
    n = bits.shape[1]
    by_draw, here, there = np.nonzero(bits if forward else bits.transpose(0, 2, 1))
    starts = np.searchsorted(by_draw * n + here, np.arange(bits.shape[0] * n + 1))
    key = draw * n + anchor
    sizes = starts[key + 1] - starts[key]
    rows = np.repeat(np.arange(len(draw)), sizes)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    new = there[starts[key][rows] + within]
    return draw[rows], {**{name: nodes[rows] for name, nodes in bound.items()}, variable: new}


_COMPARE: dict[DepthRelation, Callable[[Floats, Floats], Bools]] = {
    DepthRelation.BEFORE: np.less,
    DepthRelation.NOT_AFTER: np.less_equal,
    DepthRelation.SAME: np.equal,
}


def _filtered(
    draw: Ints,
    bound: dict[str, Ints],
    motif: Motif,
    relations: list[_Relation],
    depth: Floats,
    wirings: Wirings,
) -> tuple[Ints, dict[str, Ints]]:
    """The rows that obey what the pattern says of the variables bound so far, sign rules apart."""
    kept = np.ones(len(draw), dtype=np.bool_)
    names = list(bound)
    for place, one in enumerate(names):
        for two in names[place + 1 :]:
            kept &= bound[one] != bound[two]
    for edge, relation in zip(motif.edges, relations, strict=True):
        if edge.sender in bound and edge.receiver in bound:
            kept &= relation.holds(draw, bound[edge.sender], bound[edge.receiver])
    for order in motif.depth:
        if order.left in bound and order.right in bound:
            kept &= _COMPARE[order.relation](depth[bound[order.left]], depth[bound[order.right]])
    for smaller, larger in name_orders(motif):
        if smaller in bound and larger in bound:
            # Nodes are ordered by name, so places compare as names do.
            kept &= bound[smaller] < bound[larger]
    if motif.induced:
        n = len(wirings.nodes)
        joined = np.zeros((wirings.n_draws, n, n), dtype=np.bool_)
        rows = np.broadcast_to(np.arange(wirings.n_draws)[:, None], wirings.sender.shape)
        joined[rows, wirings.sender, wirings.receiver] = True
        named = {(edge.sender, edge.receiver) for edge in motif.edges}
        for one in names:
            for two in names:
                if one != two and (one, two) not in named:
                    kept &= ~joined[draw, bound[one], bound[two]]
    return draw[kept], {name: nodes[kept] for name, nodes in bound.items()}


def _has_product(bits: list[NDArray[np.uint8]], product: Sign) -> Bools:
    """Whether some choice of one sign an edge multiplies to `product`."""
    positive = np.ones(len(bits[0]), dtype=np.bool_)
    negative = np.zeros(len(bits[0]), dtype=np.bool_)
    for edge in bits:
        plus, minus = (edge & _POSITIVE) != 0, (edge & _NEGATIVE) != 0
        positive, negative = (
            (positive & plus) | (negative & minus),
            (positive & minus) | (negative & plus),
        )
    return positive if product is Sign.POSITIVE else negative
