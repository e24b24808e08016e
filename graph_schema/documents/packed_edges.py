"""A circuit's edges as columns: what a picture is made of, where a document an edge is too slow."""

from __future__ import annotations

from dataclasses import dataclass


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

    def __len__(self) -> int:
        return len(self.senders)
