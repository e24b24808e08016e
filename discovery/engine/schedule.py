"""Which components to compute, in which order, when a receiver's read changes.

A schedule lists, along the forward pass, the components that hang on the change through kept edges
and have a kept path to the logits; nothing else can change the loss. It depends on the kept set
alone, so it is made once and run for many changes of the same receiver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
from discovery.engine.sites import HEAD_CHANNELS
from graph_schema.documents import Channel

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ChannelReads:
    """The heads of a layer whose input on one channel moves.

    Heads of `own` read columns of their own, the step's columns `slots`; those of `shared` all
    read the step's last column. `order` sorts (*own, *shared) by head.
    """

    channel: Channel
    own: list[int]
    slots: slice
    shared: list[int]

    @property
    def heads(self) -> list[int]:
        return sorted([*self.own, *self.shared])

    @property
    def order(self) -> list[int]:
        return [int(i) for i in np.argsort([*self.own, *self.shared])]


@dataclass(frozen=True)
class AttentionStep:
    """Heads of a layer to compute: `columns` of the kept set, and who reads which."""

    layer: int
    heads: list[int]
    columns: BoolMatrix
    channels: tuple[ChannelReads, ...]


@dataclass(frozen=True)
class MlpStep:
    """A layer's MLP to compute, `everywhere` or at the metric's positions alone."""

    layer: int
    columns: BoolMatrix
    everywhere: bool


@dataclass(frozen=True)
class LogitsStep:
    columns: BoolMatrix


Step = AttentionStep | MlpStep | LogitsStep


@dataclass(frozen=True)
class Schedule:
    """Steps in forward order; `moving` marks the senders whose writes they change.

    Without steps the change has no kept path to the logits.
    """

    steps: tuple[Step, ...]
    moving: Mask


def whole(graph: Graph, kept: BoolMatrix, first: int = 0) -> Schedule:
    """Compute every component, from layer `first` on, that has a kept path to the logits."""
    return _schedule(graph, kept, np.ones(graph.n_senders, dtype=np.bool_), first, everything=True)


def after(graph: Graph, kept: BoolMatrix, receivers: Sequence[int]) -> Schedule:
    """Compute what hangs on `receivers` of one layer, their components left to the caller."""
    moving = np.zeros(graph.n_senders, dtype=np.bool_)
    reaching = graph.live_receivers(kept)
    live = [receiver for receiver in receivers if reaching[receiver]]
    if receivers[0] == graph.logits or not live:
        return Schedule((), moving)
    moving[graph.writer[live]] = True
    return _schedule(graph, kept, moving, graph.layer(live[0]), everything=False)


def hanging(graph: Graph, kept: BoolMatrix, senders: Sequence[int], first: int) -> Schedule:
    """Compute what hangs on what `senders` write, from layer `first` on."""
    moving = np.zeros(graph.n_senders, dtype=np.bool_)
    moving[list(senders)] = True
    return _schedule(graph, kept, moving, first, everything=False)


def component(graph: Graph, kept: BoolMatrix, receivers: Sequence[int]) -> Step:
    """The step that computes the components of receivers when their one read changes.

    Several are heads of one layer, on one channel.
    """
    nothing = np.zeros((0, 1), dtype=np.bool_)
    if receivers[0] == graph.logits:
        return LogitsStep(nothing)
    layer, found = graph.layer(receivers[0]), graph.head(receivers[0])
    if found is None:
        spread = graph.spread_senders(kept)
        return MlpStep(layer, nothing, bool(spread[graph.mlp_sender(layer)]))
    channel, head = found
    heads = [head + receiver - receivers[0] for receiver in receivers]
    reads = ChannelReads(channel, [], slice(0, 0), heads)
    return AttentionStep(layer, heads, nothing, (reads,))


def _schedule(
    graph: Graph, kept: BoolMatrix, moving: Mask, first: int, *, everything: bool
) -> Schedule:
    live, spread = graph.live_receivers(kept), graph.spread_senders(kept)
    steps: list[Step] = []
    for layer in range(first, graph.n_layers):
        receivers = graph.attention_receivers(layer)
        n = graph.before(layer)
        moved = live[receivers]
        if not everything:
            moved = moved & (kept[:n, receivers] & moving[:n, None]).any(axis=0)
        if moved.any():
            step = _attention(graph, kept, layer, moved)
            moving[[graph.head_sender(layer, head) for head in step.heads]] = True
            steps.append(step)
        mlp, n = graph.mlp_receiver(layer), graph.before_mlp(layer)
        if live[mlp] and (everything or (kept[:n, mlp] & moving[:n]).any()):
            sender = graph.mlp_sender(layer)
            steps.append(MlpStep(layer, kept[:n, mlp, None], bool(spread[sender])))
            moving[sender] = True
    last = kept[:, graph.logits, None]
    if everything or (last[:, 0] & moving).any():
        steps.append(LogitsStep(last))
    return Schedule(tuple(steps), moving)


def _attention(graph: Graph, kept: BoolMatrix, layer: int, moved: Mask) -> AttentionStep:
    """The step of a layer's heads; `moved` says which q, k, v inputs move.

    Inputs that keep the same edges read the same. The commonest column is read once for all of
    them (with every edge kept, that is everybody); the others are read each for itself.
    """
    start, n, n_heads = graph.attention_receivers(layer).start, graph.before(layer), graph.n_heads
    places = [int(place) for place in np.flatnonzero(moved)]
    keys = {place: kept[:n, start + place].tobytes() for place in places}
    commonest, count = Counter(keys.values()).most_common(1)[0]
    shared = {place for place in places if count > 1 and keys[place] == commonest}
    own = [place for place in places if place not in shared]
    channels: list[ChannelReads] = []
    for number, channel in enumerate(HEAD_CHANNELS):
        mine = range(number * n_heads, (number + 1) * n_heads)
        here = [place for place in own if place in mine]
        together = [place for place in mine if place in shared]
        if here or together:
            slot = own.index(here[0]) if here else 0
            channels.append(
                ChannelReads(
                    channel,
                    [place - mine.start for place in here],
                    slice(slot, slot + len(here)),
                    [place - mine.start for place in together],
                )
            )
    slots = [*own, min(shared)] if shared else own
    heads = sorted({place % n_heads for place in places})
    return AttentionStep(layer, heads, kept[:n, [start + p for p in slots]], tuple(channels))
