"""A circuit's edges as columns: what a picture is made of, where a document an edge is too slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph_schema.documents.circuit import CircuitEdge
from graph_schema.documents.component import Channel


@dataclass(frozen=True)
class PackedEdges:
    """The edges of one circuit, column by column, the largest |score| first; and all its nodes."""

    nodes: tuple[str, ...]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    channels: tuple[str, ...]
    scores: tuple[float | None, ...]
    kinds: tuple[str | None, ...]
    stabilities: tuple[float | None, ...]
    exacts: tuple[float | None, ...]

    @classmethod
    def of(cls, edges: Sequence[CircuitEdge]) -> PackedEdges:
        """These edges, in this order, with the nodes that they join."""
        nodes = dict.fromkeys(end for edge in edges for end in (edge.sender, edge.receiver))
        return cls(
            tuple(nodes),
            tuple(edge.sender for edge in edges),
            tuple(edge.receiver for edge in edges),
            tuple(edge.channel.value for edge in edges),
            tuple(edge.score for edge in edges),
            tuple(edge.score_kind and edge.score_kind.value for edge in edges),
            tuple(edge.stability for edge in edges),
            tuple(edge.exact for edge in edges),
        )

    def name(self, number: int) -> str:
        """`a3.h5->a7.h2<q>`, as `Edge` writes it."""
        channel = self.channels[number]
        suffix = "" if channel == Channel.R else f"<{channel}>"
        return f"{self.senders[number]}->{self.receivers[number]}{suffix}"

    def __len__(self) -> int:
        return len(self.senders)
