"""ACDC's order: which edge is decided when.

Receivers come in the order logits, then from the last layer down its MLP, all heads' q, all k, all
v, of what is split part by part; a receiver's senders from the latest to the earliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from discovery.engine.graph import BoolMatrix, Graph


@dataclass(frozen=True)
class Visit:
    """A receiver's turn: `senders` are decided one after the other, from decision `begin` on.

    Receivers that are patched together have one turn.
    """

    receivers: tuple[int, ...]
    senders: tuple[int, ...]
    begin: int
    opens_layer: bool

    @property
    def receiver(self) -> int:
        return self.receivers[0]

    @property
    def end(self) -> int:
        return self.begin + len(self.senders)


def visits(graph: Graph, edges: BoolMatrix) -> list[Visit]:
    """ACDC's way through `edges`."""
    units = {unit[0]: unit for unit in graph.units}
    receivers = [(graph.logits, True)]
    for layer in reversed(range(graph.n_layers)):
        heads, mlp = graph.attention_receivers(layer), graph.mlp_receivers(layer)
        receivers += [(part, part == mlp.start) for part in range(mlp.start, mlp.stop)]
        receivers += [(lead, False) for lead in range(heads.start, heads.stop) if lead in units]
    found: list[Visit] = []
    begin = 0
    for lead, opens_layer in receivers:
        senders = tuple(np.flatnonzero(edges[:, lead])[::-1].tolist())
        found.append(Visit(units[lead], senders, begin, opens_layer))
        begin += len(senders)
    return found
