"""The exact engine: a patched run, with what its loss is when only some edges are kept.

Under a kept set every receiver reads the kept senders' current writes, the dropped senders'
ablated writes, and the constants. Everything is exact up to rounding, for any kept set, trimmed or
not (dead ends then write what they compute from ablated inputs).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.forward import inputs, logits_at
from discovery.engine.graph import BoolMatrix
from discovery.engine.lanes import HeadValues, Lanes, narrow
from discovery.engine.reading import Mixture
from discovery.engine.room import room
from discovery.engine.schedule import AttentionStep, LogitsStep, MlpStep, Step, component, whole
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.unembedding import losses_at
from graph_schema.documents import Channel


class State:
    """A patched run: the model under a kept set, every sender's write as `ablated + delta`.

    What cannot reach the loss is not computed: writes of components without a kept path to the
    logits, and, where no key or value input lies on the path, at positions that no metric reads.

    Attributes:
        delta: Activation differences: each sender's write less its ablated one.
        kept: The kept set; `Restart.accept` removes edges from it.
        loss: One value an example.
        last: What the logits read, at the metric's positions.
    """

    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]

    @torch.no_grad()
    def __init__(
        self,
        bench: Bench,
        kept: BoolMatrix,
        *,
        restartable: bool = False,
        instead: State | None = None,
    ) -> None:
        """Run the model. `restartable` keeps what a `Restart` needs: each head's q, k and v.

        With `instead` the memory of a state on the same bench, as restartable, is taken over,
        which ends it. Its first layers stay as they were run, up to the first whose reads differ.
        """
        self.bench, self.kept, self._ran = bench, kept.copy(), kept.copy()
        self.graph, self._adapter = bench.experiment.graph, bench.experiment.adapter
        if instead is None:
            # Of its own layout: the ablated writes may be a view.
            self.delta = torch.zeros_like(bench.ablated, memory_format=torch.contiguous_format)
            self._scratch = self.delta.new_empty(0)
            embeddings = slice(0, self.graph.n_inputs)
            written = inputs(self._adapter, bench.window.batch)
            self.delta[embeddings] = written - bench.ablated[embeddings]
            self.heads: dict[int, HeadValues] = {}
            first = 0
        else:
            self.delta, self._scratch, self.heads = instead.delta, instead._scratch, instead.heads
            first = instead._first_unlike(kept)
            self.delta[self.graph.before(first) :].zero_()
            for layer in range(first, self.graph.n_layers):
                self.heads.pop(layer, None)
        lanes = Lanes(bench, self.delta)
        for step in whole(self.graph, kept, first).steps:
            mixture = self.mixture(step, None)
            if isinstance(step, LogitsStep):
                self.last = lanes.read(mixture)[0]
                continue
            now = lanes.run(step, mixture, None)
            if restartable and isinstance(step, AttentionStep):
                self.keep_heads(step, now)
        (self.loss,) = losses_at(self._adapter, bench.objective, self.last[None])

    def _first_unlike(self, kept: BoolMatrix) -> int:
        """The first layer that a run of `kept` may find other than this state's run left it.

        Restarts write no layer before that of an edge they remove. Of fewer edges nothing is
        computed that was not, so 0 if there are more.
        """
        if (kept & ~self._ran).any():
            return 0
        unlike = np.flatnonzero((kept != self._ran).any(axis=0))
        return self.graph.layer(int(unlike[0])) if len(unlike) else self.graph.n_layers

    @property
    @torch.no_grad()
    def logits(self) -> Float[Tensor, "batch target d_vocab"]:
        """At the metric's positions; computed when asked for, as most metrics read a few alone."""
        return logits_at(self._adapter, self.last)

    def read(self, receiver: int, columns: NDArray[np.bool_] | None = None) -> Tensor:
        """What a receiver reads now, or would if it kept the senders of each of `columns`.

        [column, batch, place, d_model], where its component is computed.
        """
        if columns is None:
            columns = self.kept[:, [receiver]]
        step = component(self.graph, self.kept, [receiver])
        step = replace(step, columns=columns[: self.graph.n_upstream[receiver]])
        reader = self.bench.reader
        return reader.read(self.mixture(step, None), self.delta, self.bench.window)

    def mixture(self, step: Step, moving: NDArray[np.bool_] | None) -> Mixture:
        """What a step's components read, apart from the senders that are `moving` (None: all)."""
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
        return reader.mixture(
            place, step.columns, self.delta, moving, narrow=narrow(self.bench, step)
        )

    # What restarts hold here from one to the next.

    def keep_heads(self, step: AttentionStep, values: HeadValues) -> None:
        """Remember queries, keys and values of a step's heads."""
        if step.layer not in self.heads:
            like = values[Channel.Q]
            sizes = (like.shape[0], self.graph.n_heads, *like.shape[2:])
            self.heads[step.layer] = {name: like.new_zeros(sizes) for name in HEAD_CHANNELS}
        index = self._adapter.index(step.heads)
        for channel, value in values.items():
            self.heads[step.layer][channel][:, index] = value

    def held(self, step: AttentionStep) -> HeadValues:
        """The remembered queries, keys and values of a step's heads."""
        index = self._adapter.index(step.heads)
        return {name: value[:, index] for name, value in self.heads[step.layer].items()}

    def lanes(self, numbers: NDArray[np.intp], n_rows: int, n: int) -> Lanes:
        """`n` lanes of `n_rows` senders, in memory that the next lanes asked for overwrite."""
        _, batch, pos, d_model = self.delta.shape
        size = n_rows * n * batch * pos * d_model
        if self._scratch.numel() < size:
            self._scratch = self.delta.new_empty(size)
        delta = self._scratch[:size].view(n_rows, n * batch, pos, d_model)
        return Lanes(self.bench, delta, numbers, n)

    def lanes_room(self) -> int:
        """Bytes that lanes may take: a quarter of the device's room, what they have included."""
        device = self.delta.device
        # What they have is not free, and a processor's room is the same whatever is.
        held = 0 if device.type == "cpu" else self._scratch.nbytes
        return room(device) // 4 + held
