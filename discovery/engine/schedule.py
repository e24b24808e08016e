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
from discovery.engine.sites import HEAD_CHANNELS, LayerSites, Site
from graph_schema.documents import Channel

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ChannelReads:
    """The entries of a layer whose input on one channel moves.

    Those of `own` read columns of their own, the step's columns `slots`; those of `shared` all
    read the step's last column. `order` sorts (*own, *shared) by entry.
    """

    channel: Channel
    own: list[int]
    slots: slice | list[int]
    shared: list[int]

    @property
    def entries(self) -> list[int]:
        return sorted([*self.own, *self.shared])

    @property
    def order(self) -> list[int]:
        return [int(i) for i in np.argsort([*self.own, *self.shared])]


@dataclass(frozen=True)
class SplitRun:
    """Parts of a split site that read the same: made of one run of its heads.

    `places` are those of the run's entries in the step, `parts` numbers within the site.
    """

    site: Site
    places: range
    parts: tuple[int, ...]


@dataclass(frozen=True)
class AttentionStep:
    """Runs of a layer's heads: `columns` of the kept set, and who reads which.

    `entries` are what runs (`LayerSites`; where no head is split, the heads), in order. Those at
    the places `whole` are heads that write for themselves; `splits` are made of the others.
    """

    layer: int
    entries: list[int]
    columns: BoolMatrix
    channels: tuple[ChannelReads, ...]
    whole: list[int]
    splits: tuple[SplitRun, ...] = ()


@dataclass(frozen=True)
class MlpStep:
    """A layer's MLP to compute, `everywhere` or at the metric's positions alone.

    Of its `parts` (a whole MLP is one) each reads one of the columns, that of its slot.
    """

    layer: int
    columns: BoolMatrix
    everywhere: bool
    parts: list[int]
    slots: list[int]


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
    layer, found = graph.layer(receivers[0]), graph.attention_part(receivers[0])
    if found is None:
        spread = graph.spread_senders(kept)
        part = receivers[0] - graph.mlp_receivers(layer).start
        everywhere = bool(spread[graph.mlp_senders(layer).start + part])
        return MlpStep(layer, nothing, everywhere, [part], [0])
    channel, first = found
    parts = [first + receiver - receivers[0] for receiver in receivers]
    runs = _Runs(graph.layers[layer], [[part] for part in parts])
    reads = ChannelReads(channel, [], slice(0, 0), runs.entries)
    return AttentionStep(layer, runs.entries, nothing, (reads,), runs.whole, runs.splits)


class _Runs:
    """The runs of a layer's heads that groups of parts are made of, by each group's first part."""

    def __init__(self, sites: LayerSites, groups: Sequence[Sequence[int]]) -> None:
        self.entries: list[int] = []
        self.whole: list[int] = []
        splits: list[SplitRun] = []
        for group in groups:
            site, start = sites.part_sites[group[0]], len(self.entries)
            self.entries += sites.part_entries[group[0]]
            if site.split is None:
                self.whole.append(start)
                continue
            first = site.senders.start - sites.before
            parts = tuple(part - first for part in group)
            splits.append(SplitRun(site, range(start, len(self.entries)), parts))
        self.splits = tuple(splits)


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
            steps.append(_attention(graph, kept, layer, moved))
            parts = moved.reshape(len(HEAD_CHANNELS), -1).any(axis=0)
            moving[graph.head_senders(layer)] |= parts
        receivers, n = graph.mlp_receivers(layer), graph.before_mlp(layer)
        moved = live[receivers]
        if not everything:
            moved = moved & (kept[:n, receivers] & moving[:n, None]).any(axis=0)
        if moved.any():
            senders = graph.mlp_senders(layer)
            everywhere = bool(spread[senders][moved].any())
            steps.append(_mlp(kept[:n, receivers], layer, moved, everywhere))
            moving[senders] |= moved
    last = kept[:, graph.logits, None]
    if everything or (last[:, 0] & moving).any():
        steps.append(LogitsStep(last))
    return Schedule(tuple(steps), moving)


def _mlp(kept: BoolMatrix, layer: int, moved: Mask, everywhere: bool) -> MlpStep:
    """The step of an MLP's moved parts; those that keep the same senders read one column."""
    parts = np.flatnonzero(moved).tolist()
    slots, firsts = _distinct(kept, parts)
    return MlpStep(layer, kept[:, firsts], everywhere, parts, slots)


def _distinct(kept: BoolMatrix, columns: Sequence[int]) -> tuple[list[int], list[int]]:
    """Which of the distinct columns each is, and where each of them is first met."""
    if len(columns) == 1:
        return [0], list(columns)
    numbers: dict[bytes, int] = {}
    firsts: list[int] = []
    slots: list[int] = []
    for column in columns:
        key = np.packbits(kept[:, column]).tobytes()
        if key not in numbers:
            numbers[key] = len(firsts)
            firsts.append(column)
        slots.append(numbers[key])
    return slots, firsts


def _attention(graph: Graph, kept: BoolMatrix, layer: int, moved: Mask) -> AttentionStep:
    """The step of a layer's heads; `moved` says which q, k, v inputs move.

    Inputs that keep the same edges read the same. The commonest column is read once for all of
    them (with every edge kept, that is everybody); the others are read each for itself. Of a split
    head's parts those that read the same on every channel are made of one run.
    """
    sites, start, n = (
        graph.layers[layer],
        graph.attention_receivers(layer).start,
        graph.before(layer),
    )
    places = [int(place) for place in np.flatnonzero(moved)]
    keys = {place: kept[:n, start + place].tobytes() for place in places}
    groups = [[part] for part in sorted({place % sites.n_parts for place in places})]
    if not sites.is_whole:
        groups = _alike(sites, kept[:n, graph.attention_receivers(layer)], groups)
        firsts = {group[0] for group in groups}
        places = [place for place in places if place % sites.n_parts in firsts]
    runs = _Runs(sites, groups)
    commonest, count = Counter(keys[place] for place in places).most_common(1)[0]
    shared = {place for place in places if count > 1 and keys[place] == commonest}
    own = [place for place in places if place not in shared]
    channels: list[ChannelReads] = []
    for number, channel in enumerate(HEAD_CHANNELS):
        mine = range(number * sites.n_parts, (number + 1) * sites.n_parts)
        here = [place for place in own if place in mine]
        together = [place for place in places if place in mine and place in shared]
        if here or together:
            slot = own.index(here[0]) if here else 0
            entries = [list(sites.part_entries[place - mine.start]) for place in here]
            slots: slice | list[int] = slice(slot, slot + len(here))
            if any(len(each) > 1 for each in entries):
                slots = [slot + i for i, each in enumerate(entries) for _ in each]
            channels.append(
                ChannelReads(
                    channel,
                    [entry for each in entries for entry in each],
                    slots,
                    [e for place in together for e in sites.part_entries[place - mine.start]],
                )
            )
    taken = [*own, min(shared)] if shared else own
    return AttentionStep(
        layer,
        runs.entries,
        kept[:n, [start + place for place in taken]],
        tuple(channels),
        runs.whole,
        runs.splits,
    )


def _alike(sites: LayerSites, kept: BoolMatrix, parts: Sequence[list[int]]) -> list[list[int]]:
    """Parts, those of one split site together that keep the same senders on every channel."""
    found: dict[tuple[str, bytes], list[int]] = {}
    for (part,) in parts:
        columns = kept[:, part :: sites.n_parts]
        found.setdefault((sites.part_sites[part].name, columns.tobytes()), []).append(part)
    return list(found.values())
