"""Circuits of one model drawn into one another: each edge with whose it is.

Membership alone: what overlaps come to against chance is `agreement.py`'s. Circuits may score in
different units, so an edge's strength is that of its |score| beside its own circuit's largest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from graph_schema.documents import CircuitDocument, PackedEdges


@dataclass(frozen=True)
class UnitedEdge:
    """An edge of at least one of the circuits.

    Attributes:
        which: The letters of the circuits that have it, in their order: `AC`.
        scores: Each circuit's own; None where it has the edge not, or without a score.
        strength: The largest share of |score| in its circuit's largest, 0 to 1.
    """

    name: str
    sender: str
    receiver: str
    channel: str
    which: str
    scores: tuple[float | None, ...]
    strength: float


@dataclass(frozen=True)
class United:
    """The edges of several circuits, the strongest first; `letters` are the circuits' names."""

    letters: tuple[str, ...]
    edges: tuple[UnitedEdge, ...]
    nodes: dict[str, str]
    """By name, the letters of the circuits that it is in."""

    @property
    def parts(self) -> list[tuple[str, int]]:
        """How many edges are in exactly which circuits: those in most first, then the most."""
        counted = Counter(edge.which for edge in self.edges)
        return sorted(counted.items(), key=lambda part: (-len(part[0]), -part[1], part[0]))

    @property
    def by_number(self) -> list[tuple[int, int]]:
        """How many edges are in exactly so many of the circuits, from all of them down to one."""
        counted = Counter(len(edge.which) for edge in self.edges)
        return [(n, counted[n]) for n in range(len(self.letters), 0, -1)]

    @property
    def packed(self) -> PackedEdges:
        """The same as columns, for a drawing; a score is the strength."""
        none = (None,) * len(self.edges)
        return PackedEdges(
            nodes=tuple(self.nodes),
            senders=tuple(edge.sender for edge in self.edges),
            receivers=tuple(edge.receiver for edge in self.edges),
            channels=tuple(edge.channel for edge in self.edges),
            scores=tuple(edge.strength for edge in self.edges),
            kinds=none,
            stabilities=none,
            exacts=none,
        )


def unite(circuits: Sequence[CircuitDocument], letters: Sequence[str]) -> United:
    """The circuits drawn into one another; `letters` are what each is called, one letter each."""
    tables = [{edge.name: edge for edge in circuit.edges} for circuit in circuits]
    largest = [max((e.strength for e in each.values()), default=0.0) or 1.0 for each in tables]
    names = dict.fromkeys(name for each in tables for name in each)
    edges: list[UnitedEdge] = []
    nodes: dict[str, set[str]] = {}
    for name in names:
        own = [each.get(name) for each in tables]
        edge = next(each for each in own if each is not None)
        which = "".join(compress(letters, own))
        strength = max(e.strength / most for e, most in zip(own, largest, strict=True) if e)
        scores = tuple(each.score if each else None for each in own)
        ends = edge.sender, edge.receiver
        edges.append(UnitedEdge(name, *ends, edge.channel.value, which, scores, strength))
        for end in ends:
            nodes.setdefault(end, set()).update(which)
    edges.sort(key=lambda edge: (-edge.strength, edge.name))
    return United(
        tuple(letters), tuple(edges), {name: "".join(sorted(of)) for name, of in nodes.items()}
    )
