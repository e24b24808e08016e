"""A stored circuit as it is drawn: nodes in places, edges by number, the strongest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents import Channel, Component, Edge, PackedEdges
from graph_schema.reports.layout import Numbers, Places, by_position, layered

MEASURED = ("exact", "acdc_delta")
"""Kinds of scores that come of runs with the edge patched; the others are estimates."""


class DrawnNode(Protocol):
    """A component, or several as one."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class DrawnCircuit:
    """A circuit's nodes and edges with their places.

    Attributes:
        nodes: In the order of the forward pass.
        y: Each node's row, counted from the input.
        senders: Each edge's sender, by number; receivers likewise.
    """

    edges: PackedEdges
    nodes: tuple[DrawnNode, ...]
    x: Places
    y: Numbers
    senders: Numbers
    receivers: Numbers

    @classmethod
    def of(cls, edges: PackedEdges, n_layers: int) -> DrawnCircuit:
        """The circuit drawn; one prompt's graph has its positions on x."""
        parts = sorted(map(Component.parse, edges.nodes), key=lambda part: part.place(n_layers))
        number = {part.name: place for place, part in enumerate(parts)}
        orders = np.array([part.order(n_layers) for part in parts], dtype=np.int64)
        y = np.searchsorted(np.unique(orders), orders)
        senders = np.array([number[name] for name in edges.senders], dtype=np.int64)
        receivers = np.array([number[name] for name in edges.receivers], dtype=np.int64)
        positions = [part.position for part in parts]
        if any(each is not None for each in positions):
            x = by_position(y, positions)
        else:
            x = layered(y, senders, receivers, _weights(edges))
        return cls(edges, tuple(parts), x, y.astype(np.int64), senders, receivers)

    @cached_property
    def number(self) -> dict[str, int]:
        """Each node's number, by its name."""
        return {part.name: place for place, part in enumerate(self.nodes)}

    def around(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The edges into a node and out of it, by number, the strongest first."""
        node = self.number[name]
        return np.flatnonzero(self.receivers == node), np.flatnonzero(self.senders == node)

    def rows(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Edges as rows of a table, with the evidence for each."""
        edges = self.edges
        return [
            {
                "sender": edges.senders[i],
                "receiver": edges.receivers[i],
                "channel": edges.channels[i],
                "score": edges.scores[i],
                "kind": edges.kinds[i],
                "measured": edges.kinds[i] in MEASURED,
                "stability": edges.stabilities[i],
                "exact": edges.exacts[i],
            }
            for i in map(int, numbers)
        ]

    def edge_names(self, numbers: Iterable[int]) -> list[str]:
        """The names of edges, `a0.h1->a1.h2<q>`."""
        edges = self.edges
        return [
            Edge(edges.senders[i], edges.receivers[i], Channel(edges.channels[i])).name
            for i in map(int, numbers)
        ]

    def columns(self) -> dict[str, Any]:
        """What a script needs to draw it."""
        edges = self.edges
        return {
            "nodes": [part.name for part in self.nodes],
            "x": np.round(self.x, 2).tolist(),
            "y": self.y.tolist(),
            "senders": self.senders.tolist(),
            "receivers": self.receivers.tolist(),
            "channels": list(edges.channels),
            "scores": [None if each is None else float(f"{each:.4g}") for each in edges.scores],
            "measured": [each in MEASURED for each in edges.kinds],
        }


def _weights(edges: PackedEdges) -> Places:
    """How much each edge pulls: |score|, and a little where it has none."""
    found = np.array([abs(score or 0.0) for score in edges.scores], dtype=np.float64)
    largest = float(found.max(initial=0.0))
    return found / largest + 1e-3 if largest else np.ones(len(found))
