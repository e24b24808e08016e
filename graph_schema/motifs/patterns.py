"""Patterns of roles and channels in one spelling each, and as motifs.

Here a pattern is two to four nodes in one piece: roles, and at most once the logits. At most one
edge joins two of them, on one channel. As in every motif, further edges do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from graphlib import TopologicalSorter
from itertools import permutations
from typing import NamedTuple

from graph_schema.documents.base import sha256_hex
from graph_schema.documents.component import Channel, ComponentKind
from graph_schema.documents.motif import EdgePattern, Motif, NodePattern
from graph_schema.documents.role import RoleName

Wires = tuple[tuple[int, int, Channel], ...]
"""Edges between places: sender, receiver, channel; sorted."""


class Shape(NamedTuple):
    """A pattern without its roles: where the logits take part, they stand at the last place."""

    size: int
    logits: bool
    wires: Wires

    @property
    def n_roles(self) -> int:
        return self.size - self.logits


class Pattern(NamedTuple):
    """A shape and the roles at its places, in the one spelling of all that mean the same."""

    shape: Shape
    roles: tuple[RoleName, ...]


def _orders(size: int, logits: bool) -> list[tuple[int, ...]]:
    """All orders of the places that leave the logits last."""
    fixed = (size - 1,) if logits else ()
    return [(*order, *fixed) for order in permutations(range(size - logits))]


def _moved(wires: Wires, order: Sequence[int]) -> Wires:
    """The wires where the node at `order[k]` comes to stand at place k."""
    place = {node: at for at, node in enumerate(order)}
    return tuple(sorted((place[one], place[two], channel) for one, two, channel in wires))


@lru_cache(maxsize=100_000)
def shaped(size: int, logits: bool, wires: Wires) -> tuple[Shape, tuple[int, ...]]:
    """The shape of these wires, and an order of the nodes that gives it."""
    best = min(_orders(size, logits), key=lambda order: _moved(wires, order))
    return Shape(size, logits, _moved(wires, best)), best


@lru_cache(maxsize=10_000)
def _symmetries(shape: Shape) -> list[tuple[int, ...]]:
    orders = _orders(shape.size, shape.logits)
    return [order for order in orders if _moved(shape.wires, order) == shape.wires]


def pattern_of(shape: Shape, roles: Sequence[RoleName]) -> Pattern:
    """The pattern of a shape with these roles at its places: of symmetric ones, the first."""
    places = range(shape.n_roles)
    spelled = (tuple(roles[order[at]] for at in places) for order in _symmetries(shape))
    return Pattern(shape, min(spelled))


def as_motif(pattern: Pattern) -> Motif:
    """The pattern as a motif, senders first; its name is made of what it demands."""
    shape, roles = pattern
    before = {
        place: {one for one, two, _ in shape.wires if two == place} for place in range(shape.size)
    }
    order = list(TopologicalSorter(before).static_order())
    labels = [*(role.value for role in roles), *(["logits"] if shape.logits else [])]
    names: dict[int, str] = {}
    for place in order:
        same = sum(labels[other] == labels[place] for other in names)
        names[place] = f"{labels[place]}_{same + 1}" if same else labels[place]
    nodes = [
        NodePattern(variable=names[place], kinds=(ComponentKind.LOGITS,))
        if shape.logits and place == shape.size - 1
        else NodePattern(variable=names[place], roles=(roles[place],))
        for place in order
    ]
    wires = sorted(shape.wires, key=lambda wire: (order.index(wire[0]), order.index(wire[1])))
    edges = [
        EdgePattern(sender=names[one], receiver=names[two], channels=(channel,))
        for one, two, channel in wires
    ]
    digest = sha256_hex(repr((labels, [(one, two, c.value) for one, two, c in shape.wires])))
    return Motif(
        name=f"found_{digest[:12]}",
        description="Found by its recurrence over models.",
        nodes=tuple(nodes),
        edges=tuple(edges),
    )


def arrows(motif: Motif) -> list[str]:
    """Its edges in the arrow notation, those that follow on each other as one chain."""
    chains: list[str] = []
    last = ""
    for edge in motif.edges:
        if chains and edge.sender == last:
            chains[-1] += edge.name.removeprefix(edge.sender)
        else:
            chains.append(edge.name)
        last = edge.receiver
    return chains


def as_yaml(motif: Motif) -> str:
    """A found motif as YAML, as `parse_motif` reads it."""
    lines = [f"name: {motif.name}", f"description: {motif.description}", "nodes:"]
    for node in motif.nodes:
        what = f"role: {node.roles[0].value}" if node.roles else f"kind: {node.kinds[0].value}"
        lines.append(f"  {node.variable}: {{{what}}}")
    return "\n".join([*lines, "edges:", *(f"  - {chain}" for chain in arrows(motif)), ""])
