"""Components first, then their parts: what pruning whole components leaves of a finer graph.

One part alone, ablated, may leave what the model ever sees; a component's edge to another, ablated
whole, does not. So edges between components are decided first, and an edge between parts is left to
decide where its components' edge was kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
from graph_schema.documents import Channel, Component


def within(whole: Graph, kept: BoolMatrix, graph: Graph) -> BoolMatrix:
    """The edges of `graph`, in which components have parts, whose own edge in `whole` is kept.

    Args:
        whole: The same model's graph without splits.
        kept: A kept set of it.
        graph: What may be split; a layer's attention may be one component there.
    """
    senders = _joins(
        [(name, Channel.R) for name in graph.sender_names],
        [(name, Channel.R) for name in whole.sender_names],
    )
    receivers = _joins(graph.receivers, whole.receivers)
    found = senders @ kept.astype(np.float32) @ receivers.T
    return (found > 0) & graph.upstream


def _joins(
    parts: Sequence[tuple[str, Channel]], components: Sequence[tuple[str, Channel]]
) -> NDArray[np.float32]:
    """[part, component]: 1 where the part is of the component, or of the layer that it is in."""
    number = {each: i for i, each in enumerate(components)}
    of_layer: dict[tuple[str, Channel], list[int]] = {}
    for i, (name, channel) in enumerate(components):
        of_layer.setdefault((name.partition(".")[0], channel), []).append(i)
    found = np.zeros((len(parts), len(components)), dtype=np.float32)
    for row, (name, channel) in enumerate(parts):
        host = Component.parse(name).host
        whole = number.get((host, channel))
        found[row, of_layer[host, channel] if whole is None else [whole]] = 1
    return found
