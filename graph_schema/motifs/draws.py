"""Several graphs on the same nodes at once, and which pairs of nodes stand for a pattern's edge.

Null models draw thousands of graphs. A `Draws` holds some of them as arrays; `Relations` looks at
them as one graph, in which node n of draw d is number d * n_nodes + n: an edge never joins two
draws, so whatever is found of the large graph is found of every draw, and a sparse product over all
draws is one call. A graph by itself is one draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from graph_schema.documents.component import Channel
from graph_schema.documents.motif import EdgePattern, NodePattern, Sign
from graph_schema.documents.role import RoleName
from graph_schema.motifs.graph import CircuitGraph, GraphNode

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
RoleSet = frozenset[RoleName]
Pairs = sparse.csr_array
"""A value for some pairs of nodes: rows are senders, columns receivers, or as said."""

CHANNELS = {channel: code for code, channel in enumerate(Channel)}
PRESENT, POSITIVE, NEGATIVE = 1, 2, 4
"""What a pair of nodes has for a pattern's edge, as bits: an edge, one of either sign."""


def as_ints(values: object) -> Ints:
    """A column of what scipy gives, of whose type its stubs know little."""
    return np.asarray(values, dtype=np.int64).reshape(-1)


def role_sets(graph: CircuitGraph) -> list[RoleSet]:
    """The sets of roles that nodes of `graph` play, in an order that depends on nothing else."""
    return sorted({node.roles for node in graph.nodes}, key=lambda roles: sorted(roles))


def role_codes(graph: CircuitGraph) -> Ints:
    """By node, the place of its roles in `role_sets`."""
    code = {roles: place for place, roles in enumerate(role_sets(graph))}
    return np.array([code[node.roles] for node in graph.nodes], dtype=np.int64)


@dataclass(frozen=True)
class Draws:
    """Graphs on the same nodes: row d of an array is draw d.

    A column of `sender`, `receiver` (places in `nodes`), `channel` (codes of `CHANNELS`) and `sign`
    (-1, 0, 1) is an edge; a column of `roles` (places in `role_sets`) is a node.
    """

    nodes: tuple[GraphNode, ...]
    role_sets: Sequence[RoleSet]
    sender: Ints
    receiver: Ints
    channel: Ints
    sign: Ints
    roles: Ints

    @classmethod
    def of(cls, graph: CircuitGraph) -> Draws:
        """The graph itself, as one draw."""

        def row(values: list[int]) -> Ints:
            return np.array([values], dtype=np.int64).reshape(1, len(values))

        return cls(
            graph.nodes,
            role_sets(graph),
            row([graph.index[edge.sender] for edge in graph.edges]),
            row([graph.index[edge.receiver] for edge in graph.edges]),
            row([CHANNELS[edge.channel] for edge in graph.edges]),
            row([int(np.sign(edge.score)) for edge in graph.edges]),
            role_codes(graph)[None, :],
        )

    def rewired(self, sender: Ints, receiver: Ints, channel: Ints, sign: Ints) -> Draws:
        """The same nodes with their roles, other edges in each draw."""
        roles = np.broadcast_to(self.roles[:1], (len(sender), len(self.nodes)))
        return Draws(self.nodes, self.role_sets, sender, receiver, channel, sign, roles)

    def relabelled(self, roles: Ints) -> Draws:
        """The same edges, other roles in each draw."""

        def repeated(edges: Ints) -> Ints:
            return np.broadcast_to(edges[:1], (len(roles), edges.shape[1]))

        return replace(
            self,
            sender=repeated(self.sender),
            receiver=repeated(self.receiver),
            channel=repeated(self.channel),
            sign=repeated(self.sign),
            roles=roles,
        )

    @property
    def n_draws(self) -> int:
        return len(self.sender)

    def marks(self, *, of_roles: bool) -> list[bytes]:
        """A digest of each draw's roles, or of its edges: equal draws have equal ones."""
        content = self.roles
        if not of_roles:
            ends = self.sender * len(self.nodes) + self.receiver
            content = np.sort((ends * len(CHANNELS) + self.channel) * 3 + self.sign + 1, axis=1)
        return [blake2b(row.tobytes(), digest_size=16).digest() for row in content]

    def split(self, step: int) -> Iterator[Draws]:
        """The draws in order, at most `step` at a time."""
        for start in range(0, self.n_draws, step):
            rows = slice(start, start + step)
            yield replace(
                self,
                sender=self.sender[rows],
                receiver=self.receiver[rows],
                channel=self.channel[rows],
                sign=self.sign[rows],
                roles=self.roles[rows],
            )


class Relations:
    """All draws as one graph of `size` nodes, and its pairs that stand for a pattern's edges."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.n_nodes = len(draws.nodes)
        self.size = draws.n_draws * self.n_nodes
        self._kept: dict[tuple[object, ...], Pairs] = {}

    @cached_property
    def depth(self) -> Floats:
        depth = np.array([node.depth for node in self.draws.nodes], dtype=np.float64)
        return np.tile(depth, self.draws.n_draws)

    def draw_of(self, nodes: Ints) -> Ints:
        return nodes // max(1, self.n_nodes)

    def allowed(self, pattern: NodePattern) -> Bools:
        """Which nodes play one of the pattern's roles and are of one of its kinds, by draw."""
        kinds = [not pattern.kinds or node.kind in pattern.kinds for node in self.draws.nodes]
        allowed = np.broadcast_to(np.array(kinds, dtype=np.bool_), self.draws.roles.shape)
        if pattern.roles:
            sets = self.draws.role_sets
            plays = np.array([not each.isdisjoint(pattern.roles) for each in sets], dtype=np.bool_)
            allowed = allowed & plays[self.draws.roles]
        return allowed

    def of(self, edge: EdgePattern, sender: NodePattern, receiver: NodePattern) -> Pairs:
        """The pairs that an edge joins as the pattern asks, their nodes as its ends ask; as bits.

        Kept, so that motifs that ask the same share it.
        """
        ends = (sender.roles, sender.kinds, receiver.roles, receiver.kinds)
        key = (edge.channels, edge.sign, *ends)
        if key not in self._kept:
            self._kept[key] = self._build(edge, sender, receiver)
        return self._kept[key]

    @cached_property
    def forward(self) -> Pairs:
        """The pairs that any edge joins."""
        free = NodePattern(variable="any")
        return self.of(EdgePattern(sender="any", receiver="other"), free, free)

    def _build(self, edge: EdgePattern, sender: NodePattern, receiver: NodePattern) -> Pairs:
        draws = self.draws
        kept = draws.sender != draws.receiver
        if edge.channels:
            codes = [CHANNELS[channel] for channel in edge.channels]
            kept &= np.isin(draws.channel, codes)
        if edge.sign is not None:
            kept &= draws.sign == (1 if edge.sign is Sign.POSITIVE else -1)
        rows = np.arange(draws.n_draws)[:, None]
        for pattern, ends in ((sender, draws.sender), (receiver, draws.receiver)):
            if pattern.roles or pattern.kinds:
                kept &= self.allowed(pattern)[rows, ends]
        first = (rows * self.n_nodes + draws.sender)[kept]
        second = (rows * self.n_nodes + draws.receiver)[kept]
        sign = draws.sign[kept]
        bits = PRESENT + POSITIVE * (sign > 0) + NEGATIVE * (sign < 0)
        return _gathered(first, second, bits.astype(np.int64), self.size)


def _gathered(first: Ints, second: Ints, bits: Ints, size: int) -> Pairs:
    """A matrix of the pairs, the bits of parallel edges together."""
    keys = first * size + second
    order = np.argsort(keys, kind="stable")
    keys, bits = keys[order], bits[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    if len(starts) < len(keys):
        keys, bits = keys[starts], np.bitwise_or.reduceat(bits, starts)
    pointers = np.searchsorted(keys, np.arange(size + 1) * size)
    return Pairs((bits, keys % max(1, size), pointers), shape=(size, size))


@dataclass(frozen=True)
class NullDraws:
    """Graphs of a null model, some at a time, to be gone through once.

    `exact`: they are all the graphs there are, the observed one among them.
    """

    parts: Iterator[Draws]
    exact: bool
