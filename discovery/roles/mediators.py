"""Components without a role that hand a sender's change on to a receiver's channel.

A mediator is found by letting the change in through its edges into the channel alone: the sender is
patched, the mediator follows, and the receiver reads everybody else as in the clean model. Heads of
a layer are tried together first, and one by one where together they carry enough; two of one layer
that cancel each other are not found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from discovery.roles.cast import Cast
from discovery.roles.path_patching import Patch
from graph_schema.documents.jobs.effects import AskedEdge

FLOOR = 0.05
"""The part of a super-edge's share from which on a component is named as a mediator."""


def blocks(cast: Cast, edge: AskedEdge) -> list[tuple[int, ...]]:
    """Senders that may mediate: by layer the heads without a role, and each MLP.

    They lie downstream of a sender of the edge and upstream of its receiver's channel.
    """
    graph = cast.graph
    between = _downstream(cast, edge) & _upstream(cast, edge)
    found: list[tuple[int, ...]] = []
    for layer in range(graph.n_layers):
        heads = graph.head_senders(layer)
        found.append(tuple(n for n in range(heads.start, heads.stop) if n in between))
        found.append((graph.mlp_sender(layer),))
    return [block for block in found if block and between.issuperset(block)]


def through(cast: Cast, edge: AskedEdge, carriers: Sequence[int]) -> Patch:
    """The patch whose change goes through some components' edges into the channel."""
    inputs = cast.inputs(edge.receiver, [edge.channel])
    return Patch(cast.senders(edge.sender), inputs, tuple(carriers))


def _downstream(cast: Cast, edge: AskedEdge) -> set[int]:
    """Free senders that read from one of the edge's senders, on whatever path."""
    graph, reached = cast.graph, np.zeros(cast.graph.n_senders, dtype=np.bool_)
    reached[list(cast.senders(edge.sender))] = True
    own = reached.copy()
    for receiver in range(graph.n_receivers - 1):
        writer = graph.writer[receiver]
        reached[writer] |= bool((graph.upstream[:, receiver] & reached).any())
    return {
        int(number)
        for number in np.flatnonzero(reached & ~own)
        if cast.is_free(graph.sender_names[number])
    }


def _upstream(cast: Cast, edge: AskedEdge) -> set[int]:
    inputs = list(cast.inputs(edge.receiver, [edge.channel]))
    return set(np.flatnonzero(cast.graph.upstream[:, inputs].any(axis=1)).tolist())
