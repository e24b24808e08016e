"""Components computed from what they read, of one kept set or of several tries side by side.

A try is a lane: a copy of the chunk's examples, one after the other along the batch. Several lanes
cost a processor about as much as their rows, and an accelerator about as much as one.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.reading import Mixture, beside
from discovery.engine.schedule import AttentionStep, LogitsStep, MlpStep, Step
from discovery.engine.sites import HEAD_CHANNELS
from discovery.models import Qkv
from graph_schema.documents import Channel

Heads = Float[Tensor, "_ _ pos d_head"]
"""Of some heads, in one lane or several."""
HeadValues = dict[Channel, Heads]
PROJECTION: dict[Channel, Qkv] = {Channel.Q: "q", Channel.K: "k", Channel.V: "v"}


class Lanes:
    """Where components write.

    Attributes:
        n: How many tries lie side by side.
        delta: Every sender's write minus its ablated one.
        window: The chunk's window, once a lane.
    """

    def __init__(
        self,
        bench: Bench,
        delta: Float[Tensor, "row lane_batch pos d_model"],
        numbers: NDArray[np.intp] | None = None,
        n: int = 1,
    ) -> None:
        """`numbers` says which row of `delta` a sender has (None: that of its own number)."""
        self.bench, self.delta, self.n, self._numbers = bench, delta, n, numbers
        self.window = bench.window.beside(n)
        self._adapter, self._graph = bench.experiment.adapter, bench.experiment.graph

    def row(self, sender: int) -> int:
        return sender if self._numbers is None else int(self._numbers[sender])

    def read(self, mixture: Mixture) -> Float[Tensor, "column lane_batch place d_model"]:
        """What each column reads now."""
        return self.bench.reader.read(mixture, self.delta, self.window)

    def run(
        self, step: AttentionStep | MlpStep, mixture: Mixture, held: HeadValues | None
    ) -> HeadValues:
        """Compute a step's components from what they read now.

        Returns q, k and v of its heads, those of them that were computed.
        """
        return self.compute(step, self.read(mixture), held)

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
                self._write_mlp(step, read[0])
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
                parts.append(adapter.project(batch, layer, name, mine, reads.own))
            if reads.shared:
                parts.append(adapter.project(batch, layer, name, normed[-1], reads.shared))
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

    def _complete(self, step: AttentionStep, now: HeadValues, held: HeadValues) -> None:
        """Put what is held in place of the inputs that do not move."""
        moved = {reads.channel: reads.heads for reads in step.channels}
        for channel in HEAD_CHANNELS:
            heads = moved.get(channel, [])
            if len(heads) == len(step.heads):
                continue
            every = beside(held[channel][None], self.n)[0]
            if heads:
                every = every.clone()
                places = [step.heads.index(head) for head in heads]
                every[:, self._adapter.index(places)] = now[channel]
            now[channel] = every

    def _write_heads(self, step: AttentionStep, values: HeadValues) -> None:
        """Mix positions and write, for some heads of a layer."""
        adapter, heads = self._adapter, self._adapter.index(step.heads)
        q, k, v = (values[channel] for channel in HEAD_CHANNELS)
        z = self.window.mix(step.layer, q, k, v, step.heads)
        first = self._graph.head_senders(step.layer).start
        ablated = self.bench.ablated[first : first + self._graph.n_heads][heads]
        rows = [self.row(first + head) for head in step.heads]
        weight = adapter.out_weights(step.layer)[heads].to(z.dtype)
        flat = rearrange(z, "batch head pos d_head -> head (batch pos) d_head")
        together = rows == list(range(rows[0], rows[0] + len(rows)))
        if together:
            written = self.delta[rows[0] : rows[0] + len(rows)]
            torch.bmm(flat, weight, out=written.view(len(rows), flat.shape[1], -1))
        else:
            written = torch.bmm(flat, weight).view(len(rows), *self.delta.shape[1:])
        written.view(len(rows), self.n, *ablated.shape[1:]).sub_(ablated[:, None])
        if not together:
            self.delta[adapter.index(rows)] = written

    def _write_mlp(self, step: MlpStep, read: Float[Tensor, "lane_batch place d_model"]) -> None:
        """Run a layer's MLP on what it reads, where it does."""
        adapter, layer, sender = self._adapter, step.layer, self._graph.mlp_sender(step.layer)
        written = adapter.mlp(layer, adapter.norm(layer, "mlp", read))
        ablated, into = self.bench.ablated[sender], self.delta[self.row(sender)]
        if narrow(self.bench, step):
            ablated = self.bench.window.at_targets(ablated)
        written = written.view(self.n, *ablated.shape) - ablated
        if narrow(self.bench, step):
            self.window.put_at_targets(into, written.flatten(0, 1))
        else:
            into.view(written.shape).copy_(written)


def narrow(bench: Bench, step: Step) -> bool:
    """Whether a component is computed at the metric's positions alone."""
    match step:
        case LogitsStep():
            return True
        case MlpStep(everywhere=False):
            return bench.window.few_targets
        case _:
            return False
