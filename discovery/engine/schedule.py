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

from discovery.engine.graph import BoolMatrix
from discovery.engine.kept import Kept, Mask, Words
from discovery.engine.site import LayerSites, Site
from discovery.engine.sites import HEAD_CHANNELS
from graph_schema.documents import Channel


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


def whole(kept: Kept, first: int = 0) -> Schedule:
    """Compute every component, from layer `first` on, that has a kept path to the logits."""
    moving = np.ones(kept.graph.n_senders, dtype=np.bool_)
    return _schedule(kept, moving, first, everything=True)


def after(kept: Kept, receivers: Sequence[int]) -> Schedule:
    """Compute what hangs on `receivers` of one layer, their components left to the caller."""
    graph, moving = kept.graph, np.zeros(kept.graph.n_senders, dtype=np.bool_)
    live = [receiver for receiver in receivers if kept.live[receiver]]
    if receivers[0] == graph.logits or not live:
        return Schedule((), moving)
    moving[graph.writer[live]] = True
    return _schedule(kept, moving, graph.layer(live[0]), everything=False)


def component(kept: Kept, receivers: Sequence[int]) -> Step:
    """The step that computes the components of receivers when their one read changes.

    Several are heads of one layer, on one channel.
    """
    graph, nothing = kept.graph, np.zeros((0, 1), dtype=np.bool_)
    if receivers[0] == graph.logits:
        return LogitsStep(nothing)
    layer, found = graph.layer(receivers[0]), graph.attention_part(receivers[0])
    if found is None:
        part = receivers[0] - graph.mlp_receivers(layer).start
        everywhere = bool(kept.spread[graph.mlp_senders(layer).start + part])
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


def _schedule(kept: Kept, moving: Mask, first: int, *, everything: bool) -> Schedule:
    graph, live, spread = kept.graph, kept.live, kept.spread
    steps: list[Step] = []
    # Receivers that read what moves, so far.
    reading = np.ones(graph.n_receivers, dtype=np.bool_)
    if not everything:
        reading = kept.readers(np.flatnonzero(moving), graph.attention_receivers(first).start)
    for layer in range(first, graph.n_layers):
        receivers, n = graph.attention_receivers(layer), graph.before(layer)
        moved = live[receivers] & reading[receivers]
        if moved.any():
            steps.append(_attention(kept, layer, moved))
            parts = moved.reshape(len(HEAD_CHANNELS), -1).any(axis=0)
            moving[graph.head_senders(layer)] |= parts
            if not everything:
                senders = graph.head_senders(layer).start + np.flatnonzero(parts)
                reading |= kept.readers(senders, graph.mlp_receivers(layer).start)
        receivers, n = graph.mlp_receivers(layer), graph.before_mlp(layer)
        moved = live[receivers] & reading[receivers]
        if moved.any():
            parts = np.flatnonzero(moved)
            senders = graph.mlp_senders(layer).start + parts
            _, firsts, slots = np.unique(
                kept.marks[receivers][parts], return_index=True, return_inverse=True
            )
            columns = kept.columns(receivers.start + parts[firsts], n)
            everywhere = bool(spread[senders].any())
            steps.append(MlpStep(layer, columns, everywhere, parts.tolist(), slots.tolist()))
            moving[senders] = True
            if not everything:
                reading |= kept.readers(senders, receivers.stop)
    if reading[graph.logits]:
        steps.append(LogitsStep(kept.columns([graph.logits], graph.n_senders)))
    return Schedule(tuple(steps), moving)


def _attention(kept: Kept, layer: int, moved: Mask) -> AttentionStep:
    """The step of a layer's heads; `moved` says which q, k, v inputs move.

    Inputs that keep the same edges read the same. The commonest column is read once for all of
    them (with every edge kept, that is everybody); the others are read each for itself. Of a split
    head's parts those that read the same on every channel are made of one run.
    """
    graph = kept.graph
    sites, start, n = (
        graph.layers[layer],
        graph.attention_receivers(layer).start,
        graph.before(layer),
    )
    by_channel = moved.reshape(len(HEAD_CHANNELS), -1)
    parts = np.flatnonzero(by_channel.any(axis=0))
    groups: list[list[int]] = [[part] for part in parts.tolist()]
    if not sites.is_whole:
        groups = _alike(sites, kept.marks[graph.attention_receivers(layer)], parts)
        firsts = np.zeros(sites.n_parts, dtype=np.bool_)
        firsts[[group[0] for group in groups]] = True
        by_channel = by_channel & firsts
    places: list[int] = np.flatnonzero(by_channel).tolist()
    marks = kept.marks[start : start + by_channel.size].tolist()
    keys = {place: marks[place] for place in places}
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
        kept.columns([start + place for place in taken], n),
        tuple(channels),
        runs.whole,
        runs.splits,
    )


def _alike(sites: LayerSites, marks: Words, parts: NDArray[np.intp]) -> list[list[int]]:
    """Parts, those of one split site together that keep the same senders on every channel."""
    # One mark of three and of the site: a product tells the channels apart.
    keys = sites.part_numbers[parts].astype(np.uint64)
    for mine in marks.reshape(len(HEAD_CHANNELS), -1)[:, parts]:
        keys = (keys ^ mine) * np.uint64(0x9E3779B97F4A7C15)
    _, groups = np.unique(keys, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups))[:-1]
    found = [each.tolist() for each in np.split(parts[order], ends)]
    return sorted(found)
