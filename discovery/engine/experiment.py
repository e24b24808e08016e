"""Pairs made ready to be measured: an experiment's settings, and its benches, one a chunk."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.ablation import Ablator, Example
from discovery.engine.at_once import LOGITS
from discovery.engine.forward import Run, at_positions, graph_of, logits_at, run
from discovery.engine.metrics import Objective, Target, target_of, wide
from discovery.engine.reading import Reading
from discovery.engine.room import room
from discovery.engine.splice import Basis, Splice
from discovery.engine.window import Window, first_difference
from discovery.engine.writes import Writes
from discovery.models import Batch, ModelAdapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import AblationSpec, Component, Metric
from graph_schema.documents.method import Receivers

TAPE = 20
"""Tensors of the stream's size that a layer's forward pass keeps for the way back.

Of the MLP's inner size they are half as many.
"""


def pad(adapter: ModelAdapter, prompts: Sequence[Sequence[int]]) -> Batch:
    """Prompts as one batch, padded on the right with token 0 behind an attention mask."""
    length = max(len(prompt) for prompt in prompts)
    tokens = torch.zeros((len(prompts), length), dtype=torch.long)
    mask = torch.zeros((len(prompts), length), dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)
        mask[row, : len(prompt)] = True
    return adapter.batch(tokens, None if bool(mask.all()) else mask)


class Experiment:
    """A model, a metric and an ablation: everything that a job's pairs are measured with."""

    def __init__(
        self,
        adapter: ModelAdapter,
        metric: Metric,
        ablation: AblationSpec,
        pairs: Sequence[TokenPair],
        *,
        seed: int = 0,
        receivers: Receivers = "query_head",
        splices: Sequence[Splice] = (),
    ) -> None:
        """Ablated values come from `pairs`, the discovery split, alone.

        `splices` cut components into units of dictionaries, `rest` and `error`.

        Raises:
            SpecError: A splice does not fit the model, or another one.
        """
        self.adapter, self.metric = adapter, metric
        group = adapter.shape.kv_group if receivers == "kv_group" else 1
        splits = tuple(splice.split for splice in splices)
        self.graph = replace(graph_of(adapter), kv_group=group, splits=splits)
        self.basis = Basis(adapter, self.graph, splices)
        self.dtype = wide(adapter.dtype)
        self.ablator = Ablator(
            ablation, adapter, self.graph, pairs, seed=seed, dtype=self.dtype, basis=self.basis
        )
        self._only: range | None = None

    def restricted(self, pairs: range) -> Experiment:
        """The same, whose chunks are of the pairs at these places alone, ablated as they are here.

        What is drawn for a pair is drawn among all.
        """
        found = copy.copy(self)
        found._only = pairs
        return found

    def chunks(self, pairs: Sequence[TokenPair], size: int) -> list[list[Example]]:
        """The examples of `pairs`, at most `size` a chunk, those alike in length together.

        Of one length, those whose prompts part late are together: they have little to compute.
        Chunks are alike in size, so none is too small for its products to be fast.
        """
        examples = sorted(
            (
                each
                for each in self.ablator.examples(pairs)
                if self._only is None or each.index in self._only
            ),
            key=lambda found: (len(found.pair.clean), first_difference(found)),
        )
        n_chunks = math.ceil(len(examples) / size)
        even = math.ceil(len(examples) / n_chunks)
        return [examples[start : start + even] for start in range(0, len(examples), even)]

    def fitting(
        self, pairs: Sequence[TokenPair], budget: int | None = None, *, tape: bool = False
    ) -> int:
        """How many examples a chunk may have within `budget` bytes (None: the device's room).

        Counted are engine states or, with `tape`, attribution; of positions those computed.
        """
        sizes, graph = self.adapter.shape, self.graph
        # Ablated and other writes of every sender, and a layer's reads or gradients.
        width = 2 * graph.n_dense + 4 * 3 * graph.n_heads + 2 * graph.n_directed // sizes.d_model
        inner = 0
        if tape:
            width = 2 * graph.n_dense + 3 * graph.n_heads + TAPE * graph.n_layers
            inner = TAPE // 2 * graph.n_layers * sizes.d_mlp
        each = self._span(pairs) * (width * sizes.d_model + inner) + LOGITS * self.adapter.n_outputs
        if budget is None:
            budget = room(self.adapter.device)
        return max(1, budget // (each * torch.finfo(self.dtype).bits // 8))

    def _span(self, pairs: Sequence[TokenPair]) -> int:
        """At most how many positions of an example are computed."""
        length = max(len(pair.clean) for pair in pairs)
        if self.adapter.whole_prompts:
            return length
        examples = self.ablator.examples(pairs)
        return length - min(min(first_difference(each), *each.pair.positions) for each in examples)

    def ready(self, examples: Sequence[Example]) -> Ready:
        """A chunk's window, ablated writes and target."""
        batch, target, window = self.opened(examples)
        if sources := [example.source for example in examples if example.source is not None]:
            found = window.run(self.dtype, pad(self.adapter, sources))
            return Ready(batch, window, found.writes, target, found.units)
        ablated = self.ablator.writes(examples, batch, None)
        return Ready(batch, window, ablated.dense, target, ablated.units)

    def opened(self, examples: Sequence[Example]) -> tuple[Batch, Target, Window]:
        """A chunk's whole prompts, what is measured of them, and the positions that can change."""
        batch = pad(self.adapter, [example.pair.clean for example in examples])
        target = target_of([each.pair for each in examples], self.adapter.device, self.dtype)
        window = Window.of(self.adapter, self.graph, examples, batch, target.positions, self.basis)
        return batch, target, window

    @torch.no_grad()
    def objective(self, ready: Ready, clean: Run | None = None) -> Objective:
        """The metric on a chunk; `kl` runs the model for its clean logits if not given."""
        logits = None
        if self.metric is Metric.KL:
            clean = clean or ready.window.run(self.dtype)
            logits = logits_at(self.adapter, at_positions(clean.resid, ready.window.positions))
        return Objective.at(self.metric, ready.target, logits)

    def bench(self, examples: Sequence[Example]) -> Bench:
        """A chunk made ready for the engine."""
        ready = self.ready(examples)
        return Bench(
            self,
            examples,
            ready.batch,
            ready.window,
            ready.ablated,
            Reading(self.basis, Writes(ready.ablated, ready.ablated_units), ready.window),
            self.objective(ready),
            ready.ablated_units,
        )

    def describe_overflow(self, pairs: Sequence[TokenPair]) -> str:
        """Where the first value that is not finite is written: a message for NonFiniteError."""
        dtype = str(self.adapter.dtype).removeprefix("torch.")
        advice = "check the weights"
        prompts = [pair.clean for pair in pairs] + [pair.corrupt for pair in pairs]
        for start in range(0, len(prompts), 8):
            batch = pad(self.adapter, prompts[start : start + 8])
            # Of whole components: a split one is not finite where one of its parts is not.
            writes = run(self.adapter, graph_of(self.adapter), batch, self.dtype).writes
            real = batch.attention_mask
            bad = [sender for sender, w in enumerate(writes) if not w[real].isfinite().all()]
            if bad:
                name = graph_of(self.adapter).sender_names[bad[0]]
                layer = Component.parse(name).layer
                where = "before layer 0" if layer is None else f"in layer {layer}"
                return f"{name} ({where}) writes NaN or infinite values in {dtype}; {advice}"
        return (
            f"logits or loss (after the last layer) are NaN or infinite in {dtype} though every "
            f"write is finite; {advice}"
        )


@dataclass(frozen=True)
class Ready:
    """A chunk of examples as tensors: ablated writes of the window, a target of whole prompts.

    `ablated` are of the dense senders, `ablated_units` the coefficients of the directed ones.
    """

    batch: Batch
    window: Window
    ablated: Float[Tensor, "sender batch pos d_model"]
    target: Target
    ablated_units: Float[Tensor, "unit batch pos"]


@dataclass(frozen=True)
class Bench:
    """A chunk of examples made ready.

    `batch` and `objective` are of whole prompts; `ablated` (of the dense senders), `ablated_units`
    (coefficients of the directed ones) and `reader` of the window.
    """

    experiment: Experiment
    examples: Sequence[Example]
    batch: Batch
    window: Window
    ablated: Float[Tensor, "sender batch pos d_model"]
    reader: Reading
    objective: Objective
    ablated_units: Float[Tensor, "unit batch pos"]

    def ablated_to(self, writes: Float[Tensor, "sender batch pos d_model"]) -> Bench:
        """This chunk with other ablated writes: what a dropped edge carries then.

        Of a graph in which nothing is split.
        """
        every = Writes(writes, self.ablated_units)
        reader = Reading(self.experiment.basis, every, self.window)
        return replace(self, ablated=writes, reader=reader)

    @property
    def index(self) -> NDArray[np.intp]:
        """Which pair each example belongs to."""
        return np.array([example.index for example in self.examples])
