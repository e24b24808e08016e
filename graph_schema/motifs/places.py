"""Every place of a circuit that a small pattern could match, whatever roles its nodes are dealt.

A place is a connected piece of the wiring: two to four nodes and, between some pairs of them, one
edge. Nodes that no deal gives a role are left out, but the logits. Connected sets of nodes are
listed once each (ESU: Wernicke 2006).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import combinations, product

import numpy as np

from graph_schema.documents.component import Channel, ComponentKind
from graph_schema.motifs.draws import Ints
from graph_schema.motifs.graph import CircuitGraph
from graph_schema.motifs.patterns import Shape, shaped

MAX_NODES = 4

_Pair = tuple[int, int, tuple[Channel, ...]]
"""Sender and receiver by place, and the channels that join them."""


class TooManyError(Exception):
    """More places, or patterns, than can be counted."""


def places(
    graph: CircuitGraph, eligible: Collection[str], *, max_nodes: int, limit: int
) -> dict[Shape, Ints]:
    """The places of every shape, a row each: its nodes by their place in `graph.nodes`.

    Args:
        graph: One circuit.
        eligible: Names of the nodes that may be dealt a role.
        max_nodes: 2 to 4.
        limit: Of places.

    Raises:
        TooManyError: There are more than the limit.
    """
    logits = {i for i, node in enumerate(graph.nodes) if node.kind is ComponentKind.LOGITS}
    chosen = {graph.index[name] for name in eligible if name in graph.index} - logits
    joined: dict[tuple[int, int], tuple[Channel, ...]] = {}
    near: dict[int, set[int]] = {place: set() for place in chosen | logits}
    for (sender, receiver), edges in graph.between.items():
        one, two = graph.index[sender], graph.index[receiver]
        if one in near and two in near and one != two:
            joined[one, two] = tuple(sorted({edge.channel for edge in edges}))
            near[one].add(two)
            near[two].add(one)
    found: dict[Shape, list[tuple[int, ...]]] = {}
    count = 0
    for members in _connected(near, max_nodes):
        ordered = sorted(members, key=lambda node: (node in logits, node))
        pairs = tuple(
            (a, b, joined[ordered[a], ordered[b]])
            for one, two in combinations(range(len(ordered)), 2)
            for a, b in ((one, two), (two, one))
            if (ordered[a], ordered[b]) in joined
        )
        ways = _ways(len(ordered), ordered[-1] in logits, pairs)
        count += len(ways)
        if count > limit:
            raise TooManyError
        for shape, order in ways:
            found.setdefault(shape, []).append(tuple(ordered[place] for place in order))
    return {shape: np.array(rows, dtype=np.int64) for shape, rows in found.items()}


def _connected(near: dict[int, set[int]], max_nodes: int) -> Iterator[list[int]]:
    """The connected sets of two to `max_nodes` nodes, once each."""

    def grown(members: list[int], ahead: set[int], seen: set[int]) -> Iterator[list[int]]:
        if len(members) > 1:
            yield members
        if len(members) == max_nodes:
            return
        left = set(ahead)
        while left:
            node = left.pop()
            new = {each for each in near[node] if each > members[0]} - seen
            yield from grown([*members, node], left | new, seen | new)

    for start in sorted(near):
        ahead = {each for each in near[start] if each > start}
        yield from grown([start], ahead, ahead | {start})


@lru_cache(maxsize=20_000)
def _ways(
    size: int, logits: bool, pairs: tuple[_Pair, ...]
) -> tuple[tuple[Shape, tuple[int, ...]], ...]:
    """Every choice of edges, at most one a pair, that holds the nodes together."""
    choices = [
        [None, *((one, two, channel) for channel in channels)] for one, two, channels in pairs
    ]
    found: list[tuple[Shape, tuple[int, ...]]] = []
    for choice in product(*choices):
        wires = tuple(sorted(wire for wire in choice if wire is not None))
        if _in_one_piece(size, [(one, two) for one, two, _ in wires]):
            found.append(shaped(size, logits, wires))
    return tuple(found)


def _in_one_piece(size: int, joined: list[tuple[int, int]]) -> bool:
    reached = {0}
    for _ in range(size - 1):
        reached |= {end for ends in joined if reached & set(ends) for end in ends}
    return len(reached) == size
