"""Controls of a super-edge: the same patch where it should carry nothing.

`wrong_position`: the sender patched where the task says that its content is not. The receiver's
other channels, by their letters. `wrong_source`: as many heads of the sender's layers that play no
role, several draws of them. (`position_gap` is other pairs, and stands in `effects.py`.)
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from discovery.roles.cast import Cast
from discovery.roles.path_patching import Patch
from discovery.roles.positions import has_wrong_positions, wrong_positions
from discovery.tasks.base import TokenPair
from graph_schema.documents import Channel, Component
from graph_schema.documents.jobs.effects import AskedEdge
from graph_schema.models.layout import HEAD_CHANNELS

DRAWS = 4
"""Draws of a wrong source, at most."""


def controls(
    cast: Cast, edge: AskedEdge, pairs: Sequence[TokenPair], seed: int
) -> dict[str, list[Patch]]:
    """Patches by control; of several the mean is the control's figure."""
    senders, receivers = cast.senders(edge.sender), cast.inputs(edge.receiver, [edge.channel])
    found: dict[str, list[Patch]] = {}
    if has_wrong_positions(pairs):
        found["wrong_position"] = [Patch(senders, receivers, where=wrong_positions)]
    if edge.channel is not Channel.R:
        for channel in HEAD_CHANNELS:
            if channel is not edge.channel:
                inputs = cast.inputs(edge.receiver, [channel])
                found[channel.value] = [Patch(senders, inputs)]
    if sources := wrong_sources(cast, edge, seed):
        found["wrong_source"] = [
            Patch(tuple(cast.graph.senders_of(names)), receivers) for names in sources
        ]
    return found


def wrong_sources(cast: Cast, edge: AskedEdge, seed: int) -> list[tuple[str, ...]]:
    """Distinct sets of heads without a role, as many of each of the sender's layers.

    Of a layer that has fewer, all; none where no layer has any.
    """
    if edge.sender == "input":
        return []
    layers: dict[int, int] = {}
    for name in cast.names(edge.sender):
        layer = Component.parse(name).layer
        assert layer is not None, "roles are played by heads"
        layers[layer] = layers.get(layer, 0) + 1
    rng = random.Random(f"wrong source:{seed}:{edge.name}")
    found: dict[tuple[str, ...], None] = {}
    for _ in range(8 * DRAWS):
        drawn: list[str] = []
        for layer, n in sorted(layers.items()):
            free = [name for name in cast.heads_of(layer) if cast.is_free(name)]
            drawn += sorted(rng.sample(free, min(n, len(free))))
        if drawn and len(found) < DRAWS:
            found[tuple(drawn)] = None
    return list(found)
