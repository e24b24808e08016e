"""The exact engine: a patched run, with what its loss is when only some edges are kept.

Under a kept set every receiver reads the kept senders' current writes, the dropped senders'
ablated writes, and the constants. Everything is exact up to rounding, for any kept set, trimmed or
not (dead ends then write what they compute from ablated inputs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.forward import inputs, logits_at, put_inputs
from discovery.engine.graph import BoolMatrix
from discovery.engine.kept import Kept
from discovery.engine.lanes import HeadValues, Lanes, narrow
from discovery.engine.reading import Mixture
from discovery.engine.room import room
from discovery.engine.schedule import AttentionStep, LogitsStep, MlpStep, Step, component, whole
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.unembedding import losses_at
from discovery.engine.writes import Writes
from graph_schema.documents import Channel


class State:
    """A patched run: the model under a kept set, every sender's write as `ablated + delta`.

    What cannot reach the loss is not computed: writes of components without a kept path to the
    logits, and, where no key or value input lies on the path, at positions that no metric reads.

    Attributes:
        delta: Activation differences: each sender's write less its ablated one; of units,
            coefficients.
        plan: The kept set, and what follows from it; `Restart.accept` removes edges.
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
        self.bench, self._ran = bench, kept.copy()
        self.graph, self._adapter = bench.experiment.graph, bench.experiment.adapter
        graph = self.graph
        self.plan = Kept(graph, kept)
        if instead is None:
            # Of its own layout: the ablated writes may be a view.
            dense = torch.zeros_like(bench.ablated, memory_format=torch.contiguous_format)
            self.delta = Writes(dense, torch.zeros_like(bench.ablated_units))
            self._scratch = Writes(dense.new_empty(0), dense.new_empty(0))
            put_inputs(
                graph,
                bench.experiment.basis,
                inputs(self._adapter, bench.window.batch),
                *self.delta,
            )
            for rows, block, less in zip(
                graph.blocks(range(graph.n_inputs)),
                self.delta,
                (bench.ablated, bench.ablated_units),
                strict=True,
            ):
                block[rows] -= less[rows]
            self.heads: dict[int, HeadValues] = {}
            first = 0
        else:
            self.delta, self._scratch, self.heads = instead.delta, instead._scratch, instead.heads
            first = instead._first_unlike(kept)
            later = graph.blocks(range(graph.before(first), graph.n_senders))
            for rows, block in zip(later, self.delta, strict=True):
                block[rows].zero_()
            for layer in range(first, graph.n_layers):
                self.heads.pop(layer, None)
        lanes = Lanes(bench, self.delta)
        for step in whole(self.plan, first).steps:
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
    def kept(self) -> BoolMatrix:
        """The kept set; `drop` alone changes it."""
        return self.plan.matrix

    def drop(self, sender: int, receivers: Sequence[int]) -> None:
        """Keep some edges no longer; what was run stays as it is."""
        self.plan.drop(sender, receivers)

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
        step = component(self.plan, [receiver])
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
        sites = self.graph.layers[step.layer]
        if step.layer not in self.heads:
            like = values[Channel.Q]
            shape = (like.shape[0], len(sites.entry_heads), *like.shape[2:])
            self.heads[step.layer] = {name: like.new_zeros(shape) for name in HEAD_CHANNELS}
        index = self._adapter.index(step.entries)
        for channel, value in values.items():
            self.heads[step.layer][channel][:, index] = value
        for run in step.splits:
            # Parts that read the same were run once, and are held each for itself.
            first = run.site.senders.start - sites.before
            mine = step.entries[run.places.start]
            for part in run.parts[1:]:
                into = sites.part_entries[first + part].start
                n = len(run.places)
                for channel in values:
                    held = self.heads[step.layer][channel]
                    held[:, into : into + n] = held[:, mine : mine + n]

    def held(self, step: AttentionStep) -> HeadValues:
        """The remembered queries, keys and values of a step's heads."""
        index = self._adapter.index(step.entries)
        return {name: value[:, index] for name, value in self.heads[step.layer].items()}

    def lanes(self, moving: NDArray[np.bool_], n: int) -> Lanes:
        """`n` lanes of the moving senders, in memory that the next lanes asked for overwrite."""
        _, batch, pos, d_model = self.delta.dense.shape
        n_units = int((moving & self.graph.directed).sum())
        n_dense = int(moving.sum()) - n_units
        shapes = ((n_dense, n * batch, pos, d_model), (n_units, n * batch, pos))
        sizes = [math.prod(shape) for shape in shapes]
        if any(have.numel() < size for have, size in zip(self._scratch, sizes, strict=True)):
            self._scratch = Writes(
                *(
                    have if have.numel() >= size else have.new_empty(size)
                    for have, size in zip(self._scratch, sizes, strict=True)
                )
            )
        blocks = (
            have[:size].view(shape)
            for have, size, shape in zip(self._scratch, sizes, shapes, strict=True)
        )
        return Lanes(self.bench, Writes(*blocks), self.graph.rows_among(moving), n)

    def lanes_room(self) -> int:
        """Bytes that lanes may take: a quarter of the device's room, what they have included."""
        device = self.delta.dense.device
        # What they have is not free, and a processor's room is the same whatever is.
        held = 0 if device.type == "cpu" else sum(block.nbytes for block in self._scratch)
        return room(device) // 4 + held
