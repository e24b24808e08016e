"""Components computed from what they read, of one kept set or of several tries side by side.

A try is a lane: a copy of the chunk's examples, one after the other along the batch. Several lanes
cost a processor about as much as their rows, and an accelerator about as much as one.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import assert_never

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.reading import Mixture, beside
from discovery.engine.schedule import AttentionStep, LogitsStep, MlpStep, SplitRun, Step
from discovery.engine.site import Site
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.splice import Source
from discovery.engine.writes import Writes
from discovery.models import Qkv
from graph_schema.documents import Channel

Heads = Float[Tensor, "_ _ pos d_head"]
"""Of some heads, in one lane or several."""
HeadValues = dict[Channel, Heads]
COLUMNS = 16
"""Columns that an MLP's parts read at once."""
PROJECTION: dict[Channel, Qkv] = {Channel.Q: "q", Channel.K: "k", Channel.V: "v"}


class Lanes:
    """Where components write.

    Attributes:
        n: How many tries lie side by side.
        delta: Every sender's write minus its ablated one; of units, coefficients.
        window: The chunk's window, once a lane.
    """

    def __init__(
        self,
        bench: Bench,
        delta: Writes,
        numbers: NDArray[np.intp] | None = None,
        n: int = 1,
    ) -> None:
        """`numbers` says which row of its kind's block a sender has (None: the graph's)."""
        self.bench, self.delta, self.n = bench, delta, n
        self.window = bench.window.beside(n)
        self._basis = bench.experiment.basis
        self._adapter, self._graph = bench.experiment.adapter, bench.experiment.graph
        self._numbers = self._graph.rows if numbers is None else numbers

    def row(self, sender: int) -> int:
        """A sender's row in the block of its kind."""
        return int(self._numbers[sender])

    def mute(self, senders: Sequence[int]) -> None:
        """Have senders write their ablated values."""
        for sender in senders:
            block = self.delta.units if self._graph.directed[sender] else self.delta.dense
            block[self.row(sender)] = 0

    def read(self, mixture: Mixture) -> Float[Tensor, "column lane_batch place d_model"]:
        """What each column reads now."""
        return self.bench.reader.read(mixture, self.delta, self.window)

    def run(
        self, step: AttentionStep | MlpStep, mixture: Mixture, held: HeadValues | None
    ) -> HeadValues:
        """Compute a step's components from what they read now.

        Returns q, k and v of its heads, those of them that were computed.
        """
        if isinstance(step, MlpStep) and step.columns.shape[1] > COLUMNS:
            for part, columns in self._by_columns(step):
                self._write_mlp(part, self.read(mixture.of_columns(columns)))
            return {}
        return self.compute(step, self.read(mixture), held)

    def _by_columns(self, step: MlpStep) -> Generator[tuple[MlpStep, list[int]]]:
        """A split MLP's parts, those of few columns together.

        Reads of hundreds of columns are gigabytes, and the units of some columns are made on all of
        them. What needs the whole MLP to be run, `rest` and `error`, is not made with others.
        """
        n_units = self._graph.layers[step.layer].mlp.n_units
        read_by = dict[int, list[int]]()
        for part, slot in zip(step.parts, step.slots, strict=True):
            read_by.setdefault(slot, []).append(part)
        whole = [slot for slot, parts in read_by.items() if parts[-1] >= n_units]
        others = [slot for slot in read_by if slot not in whole]
        groups = [whole] if whole else []
        groups += [others[start : start + COLUMNS] for start in range(0, len(others), COLUMNS)]
        for columns in groups:
            mine = [(part, i) for i, slot in enumerate(columns) for part in read_by[slot]]
            parts, slots = zip(*sorted(mine), strict=True)
            yield (
                replace(
                    step, columns=step.columns[:, columns], parts=list(parts), slots=list(slots)
                ),
                columns,
            )

    def compute(
        self,
        step: Step,
        read: Float[Tensor, "column lane_batch place d_model"],
        held: HeadValues | None,
    ) -> HeadValues:
        """The same from what was read: nothing to do for the logits."""
        match step:
            case AttentionStep():
                return self._attend(step, read, held)
            case MlpStep():
                self._write_mlp(step, read)
            case LogitsStep():
                pass
            case _ as never:
                assert_never(never)
        return {}

    def _attend(
        self,
        step: AttentionStep,
        read: Float[Tensor, "column lane_batch pos d_model"],
        held: HeadValues | None,
    ) -> HeadValues:
        adapter, layer, batch = self._adapter, step.layer, self.window.batch
        normed = adapter.norm(layer, "attn", read)
        now: HeadValues = {}
        for reads in step.channels:
            name = PROJECTION[reads.channel]
            parts: list[Heads] = []
            if reads.own:
                mine = rearrange(
                    normed[reads.slots], "head batch pos d_model -> batch head pos d_model"
                )
                parts.append(
                    adapter.project(batch, layer, name, mine, self._heads(step, reads.own))
                )
            if reads.shared:
                heads = self._heads(step, reads.shared)
                parts.append(adapter.project(batch, layer, name, normed[-1], heads))
            value = parts[0]
            if len(parts) > 1:
                value = torch.cat(parts, dim=1)[:, adapter.index(reads.order)]
            now[reads.channel] = value
        computed = tuple(now)
        if held is not None:
            self._complete(step, now, held)
        self._write_heads(step, now)
        # What is held as it was is not handed back, to be written over itself.
        return {channel: now[channel] for channel in computed}

    def _heads(self, step: AttentionStep, entries: list[int]) -> list[int]:
        """The heads that entries run."""
        sites = self._graph.layers[step.layer]
        return entries if sites.is_whole else [sites.entry_heads[entry] for entry in entries]

    def _complete(self, step: AttentionStep, now: HeadValues, held: HeadValues) -> None:
        """Put what is held in place of the inputs that do not move."""
        moved = {reads.channel: reads.entries for reads in step.channels}
        for channel in HEAD_CHANNELS:
            entries = moved.get(channel, [])
            if len(entries) == len(step.entries):
                continue
            every = beside(held[channel][None], self.n)[0]
            if entries:
                every = every.clone()
                places = [step.entries.index(entry) for entry in entries]
                every[:, self._adapter.index(places)] = now[channel]
            now[channel] = every

    def _write_heads(self, step: AttentionStep, values: HeadValues) -> None:
        """Mix positions and write, for some heads of a layer."""
        q, k, v = (values[channel] for channel in HEAD_CHANNELS)
        z = self.window.mix(step.layer, q, k, v, self._heads(step, step.entries))
        if step.whole:
            self._write_whole(step, z)
        for run in step.splits:
            self._write_parts(step, run, z)

    def _write_whole(self, step: AttentionStep, z: Heads) -> None:
        """What heads that are not split write."""
        adapter, entries = self._adapter, step.entries
        if step.splits:
            entries = [step.entries[place] for place in step.whole]
            z = z[:, adapter.index(step.whole)]
        heads = self._heads(step, entries)
        senders = [self._graph.head_sender(step.layer, head) for head in heads]
        ablated = self.bench.ablated[adapter.index(self._graph.rows[senders].tolist())]
        rows = [self.row(sender) for sender in senders]
        weight = adapter.out_weights(step.layer)[adapter.index(heads)].to(z.dtype)
        flat = rearrange(z, "batch head pos d_head -> head (batch pos) d_head")
        together = rows == list(range(rows[0], rows[0] + len(rows)))
        dense = self.delta.dense
        if together:
            written = dense[rows[0] : rows[0] + len(rows)]
            torch.bmm(flat, weight, out=written.view(len(rows), flat.shape[1], -1))
        else:
            written = torch.bmm(flat, weight).view(len(rows), *dense.shape[1:])
        written.view(len(rows), self.n, *ablated.shape[1:]).sub_(ablated[:, None])
        if not together:
            dense[adapter.index(rows)] = written

    def _write_parts(self, step: AttentionStep, run: SplitRun, z: Heads) -> None:
        """What parts of a split site write that are made of one run of its heads."""
        mine = z[:, run.places.start : run.places.stop]
        source = self._basis.of_heads(run.site, mine, run.parts)
        self._put(run.site, run.parts, [0] * len(run.parts), source, None)

    def _write_mlp(
        self, step: MlpStep, read: Float[Tensor, "column lane_batch place d_model"]
    ) -> None:
        """Run a layer's MLP on what it reads, where it does."""
        adapter, layer, site = self._adapter, step.layer, self._graph.layers[step.layer].mlp
        targets = narrow(self.bench, step)
        normed = adapter.norm(layer, "mlp", read)
        if site.split is not None:
            source = self._basis.of_mlp(site, read, normed, step.parts)
            self._put(site, step.parts, step.slots, source, targets)
            return
        (sender,) = site.senders
        written = adapter.mlp(layer, normed[0])
        ablated, into = (
            self.bench.ablated[self._graph.rows[sender]],
            self.delta.dense[self.row(sender)],
        )
        if targets:
            ablated = self.bench.window.at_targets(ablated)
        written = written.view(self.n, *ablated.shape) - ablated
        if targets:
            self.window.put_at_targets(into, written.flatten(0, 1))
        else:
            into.view(written.shape).copy_(written)

    def _put(
        self,
        site: Site,
        parts: Sequence[int],
        slots: Sequence[int],
        source: Source,
        targets: bool | None,
    ) -> None:
        """Write what some parts of a split site write, made of what it read and wrote."""
        units, dense = self._basis.part_writes(site, parts, slots, source)
        senders = [site.senders[part] for part in parts]
        for directed, written in ((True, units[..., None]), (False, dense)):
            mine = [s for s in senders if bool(self._graph.directed[s]) is directed]
            if not mine:
                continue
            ablated = self.bench.ablated_units[..., None] if directed else self.bench.ablated
            into = self.delta.units[..., None] if directed else self.delta.dense
            less = ablated[self._graph.rows[mine]]
            if targets:
                less = self.bench.window.at_targets(less)
            # Of each part its lanes one after the other, as the chunk's copies are.
            moved = written.unflatten(1, (self.n, -1)) - less[:, None]
            for sender, row in zip(mine, moved.flatten(1, 2), strict=True):
                if targets:
                    self.window.put_at_targets(into[self.row(sender)], row)
                else:
                    into[self.row(sender)] = row


def narrow(bench: Bench, step: Step) -> bool:
    """Whether a component is computed at the metric's positions alone."""
    match step:
        case LogitsStep():
            return True
        case MlpStep(everywhere=False):
            return bench.window.few_targets
        case _:
            return False
