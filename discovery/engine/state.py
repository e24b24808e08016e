"""The exact engine: what the loss is when only some edges are kept.

Under a kept set every receiver reads the kept senders' current writes, the dropped senders'
ablated writes, and the constants. Everything is exact up to rounding, for any kept set, trimmed or
not (dead ends then write what they compute from ablated inputs).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.forward import at_positions, inputs, logits_at, loss_at, put_at_positions
from discovery.engine.graph import HEAD_CHANNELS, BoolMatrix
from discovery.engine.plan import AttentionStep, LogitsStep, MlpStep, Step, component, whole
from discovery.engine.reading import Mixture
from discovery.models import Qkv
from graph_schema.documents import Channel

Heads = Float[Tensor, "batch head pos d_head"]
HeadValues = dict[Channel, Heads]
PROJECTION: dict[Channel, Qkv] = {Channel.Q: "q", Channel.K: "k", Channel.V: "v"}


class State:
    """The model under a kept set, with every sender's write as `ablated + delta`.

    What cannot reach the loss is not computed: writes of components without a kept path to the
    logits, and, where no key or value input lies on the path, at positions that no metric reads.

    Attributes:
        kept: The kept set; `Restart.accept` removes edges from it.
        loss: One value an example.
        last: What the logits read, at the metric's positions.
    """

    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]

    @torch.no_grad()
    def __init__(self, bench: Bench, kept: BoolMatrix, *, restartable: bool = False) -> None:
        """Run the model. `restartable` keeps what a `Restart` needs: each head's q, k and v."""
        self.bench, self.kept = bench, kept.copy()
        self.graph, self._adapter = bench.experiment.graph, bench.experiment.adapter
        window = bench.window
        targets = window.positions
        self._narrow = targets if targets.shape[1] < window.batch.tokens.shape[1] else None
        self.delta = torch.zeros_like(bench.ablated, memory_format=torch.contiguous_format)
        first = slice(0, self.graph.n_inputs)
        self.delta[first] = inputs(self._adapter, window.batch) - bench.ablated[first]
        self.heads: dict[int, HeadValues] = {}
        for step in whole(self.graph, kept).steps:
            now = self.run(step, self.mixture(step, None), None)
            if restartable and isinstance(step, AttentionStep):
                self.keep_heads(step, now)

    @property
    @torch.no_grad()
    def logits(self) -> Float[Tensor, "batch target d_vocab"]:
        """At the metric's positions; computed when asked for, as most metrics read a few alone."""
        return logits_at(self._adapter, self.last.to(self._adapter.dtype))

    def read(self, receiver: int, kept: NDArray[np.bool_] | None = None) -> Tensor:
        """What a receiver reads now, or would if it kept the senders `kept`.

        [batch, pos, d_model], at `positions_of` its component.
        """
        step, reader = component(self.graph, self.kept, [receiver]), self.bench.reader
        kept = self.kept[:, receiver] if kept is None else kept
        columns = kept[: self.graph.n_upstream[receiver], None]
        return reader.read(self.mixture(replace(step, columns=columns), None), self.delta)[0]

    # One component at a time. `read` is in the dtype of sums; modules get the model's.

    def keep_heads(self, step: AttentionStep, values: HeadValues) -> None:
        """Remember queries, keys and values of a step's heads."""
        if step.layer not in self.heads:
            like = values[Channel.Q]
            sizes = (like.shape[0], self.graph.n_heads, *like.shape[2:])
            self.heads[step.layer] = {name: like.new_zeros(sizes) for name in HEAD_CHANNELS}
        for channel, value in values.items():
            self.heads[step.layer][channel][:, step.heads] = value

    def held(self, step: AttentionStep) -> HeadValues:
        """The remembered queries, keys and values of a step's heads."""
        return {name: value[:, step.heads] for name, value in self.heads[step.layer].items()}

    def positions_of(self, step: Step) -> Tensor | None:
        """Where a component is computed: None everywhere, else at [batch, target]."""
        match step:
            case LogitsStep():
                return self.bench.window.positions
            case MlpStep(everywhere=False):
                return self._narrow
            case _:
                return None

    def mixture(self, step: Step, moving: NDArray[np.bool_] | None) -> Mixture:
        reader = self.bench.reader
        match step:
            case AttentionStep():
                place = reader.attention(step.layer)
            case MlpStep():
                place = reader.mlp(step.layer)
            case LogitsStep():
                place = reader.logits
        if moving is not None:
            moving = moving[: len(step.columns)]
        return reader.mixture(place, step.columns, self.delta, moving, self.positions_of(step))

    def run(self, step: Step, mixture: Mixture, held: HeadValues | None) -> HeadValues:
        """Compute a step's components from what they read now; returns q, k, v of its heads."""
        read = self.bench.reader.read(mixture, self.delta)
        match step:
            case AttentionStep():
                return self.attend(step, read, held)
            case MlpStep():
                self.write_mlp(step, read[0])
            case LogitsStep():
                self.finish(read[0])
        return {}

    def attend(
        self,
        step: AttentionStep,
        read: Float[Tensor, "column batch pos d_model"],
        held: HeadValues | None,
    ) -> HeadValues:
        adapter, layer, batch = self._adapter, step.layer, self.bench.window.batch
        normed = adapter.norm(layer, "attn", read.to(adapter.dtype))
        now = dict(held) if held else {}
        for plan in step.channels:
            name = PROJECTION[plan.channel]
            parts: list[Heads] = []
            if plan.own:
                mine = rearrange(
                    normed[plan.slots], "head batch pos d_model -> batch head pos d_model"
                )
                parts.append(adapter.project(batch, layer, name, mine, plan.own))
            if plan.shared:
                parts.append(adapter.project(batch, layer, name, normed[-1], plan.shared))
            value = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)[:, plan.order]
            if len(plan.heads) < len(step.heads):
                every = now[plan.channel].clone()
                every[:, [step.heads.index(head) for head in plan.heads]] = value
                value = every
            now[plan.channel] = value
        self.write_heads(layer, step.heads, now)
        return now

    def write_heads(self, layer: int, heads: list[int], values: HeadValues) -> None:
        """Mix positions and write, for some heads of a layer."""
        adapter = self._adapter
        q, k, v = (values[channel] for channel in HEAD_CHANNELS)
        z = self.bench.window.mix(layer, q, k, v, heads)
        written = rearrange(
            adapter.head_out(layer, z, heads), "batch head pos d_model -> head batch pos d_model"
        )
        first, ablated = self.graph.head_senders(layer).start, self.bench.ablated
        for head, write in zip(heads, written, strict=True):
            torch.sub(write, ablated[first + head], out=self.delta[first + head])

    def write_mlp(self, step: MlpStep, read: Float[Tensor, "batch place d_model"]) -> None:
        """Run a layer's MLP on what it reads, where it does."""
        adapter, layer, row = self._adapter, step.layer, self.graph.mlp_sender(step.layer)
        written = adapter.mlp(layer, adapter.norm(layer, "mlp", read.to(adapter.dtype)))
        ablated, positions = self.bench.ablated[row], self.positions_of(step)
        if positions is None:
            self.delta[row] = written - ablated
        else:
            put_at_positions(self.delta[row], positions, written - at_positions(ablated, positions))

    def finish(self, read: Float[Tensor, "batch target d_model"]) -> None:
        """The loss from what the logits read."""
        self.last = read
        self.loss = loss_at(self._adapter, self.bench.objective, read.to(self._adapter.dtype))
