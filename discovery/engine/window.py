"""The positions that a kept set can change: from the first token where the prompts differ.

Before it a causal model computes the same from the clean prompt and from the one that ablated
values come from, so every sender writes its ablated value, whatever is kept. Nothing is computed
there: only the keys and values that later positions look back at are held. In IOI the prompts
differ at the subject's second mention, and that is two thirds of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.engine.ablation import Example
from discovery.engine.forward import KeysValues, run
from discovery.engine.graph import Graph
from discovery.models import Batch, ModelAdapter

Heads = Float[Tensor, "batch head pos d_head"]


@dataclass(frozen=True)
class Window:
    """A chunk's positions from `start` on, and what lies before.

    Attributes:
        start: The first position that can change.
        batch: The prompts from there on.
        ablated: Every sender's ablated write from there on, a view.
        positions: The metric's positions, counted from there.
        before: Each layer's keys and values of earlier positions; none where `start` is 0.
    """

    start: int
    batch: Batch
    ablated: Float[Tensor, "sender batch pos d_model"]
    positions: Int[Tensor, "batch target"]
    before: tuple[KeysValues, ...]
    _adapter: ModelAdapter
    _whole: Batch

    @classmethod
    def of(
        cls,
        adapter: ModelAdapter,
        graph: Graph,
        examples: Sequence[Example],
        batch: Batch,
        ablated: Float[Tensor, "sender batch pos d_model"],
        positions: Int[Tensor, "batch target"],
    ) -> Window:
        """The window of a chunk whose prompts begin at position 0."""
        start = 0
        if not adapter.bidirectional:
            start = min(int(positions.min()), *(first_difference(each) for each in examples))
        if start == 0:
            return cls(0, batch, ablated, positions, (), adapter, batch)
        before: list[KeysValues] = []
        beginnings = adapter.batch(batch.tokens[:, :start], prompt_lengths=batch.prompt_lengths)
        run(adapter, graph, beginnings, ablated.dtype, before)
        return cls(
            start,
            adapter.cut(batch, start),
            ablated[:, :, start:],
            positions - start,
            tuple(before),
            adapter,
            batch,
        )

    def mix(self, layer: int, heads: list[int], q: Heads, k: Heads, v: Heads) -> Heads:
        """Attention of some heads of a layer at the window's positions."""
        if self.start == 0:
            return self._adapter.mix(self._whole, layer, q, k, v)
        # What is looked at from earlier positions is of no interest: any query will do.
        none = q.new_zeros((*q.shape[:2], self.start, q.shape[3]))
        k, v = (
            torch.cat([earlier[:, heads], later], dim=2)
            for earlier, later in zip(self.before[layer], (k, v), strict=True)
        )
        z = self._adapter.mix(self._whole, layer, torch.cat([none, q], dim=2), k, v)
        return z[:, :, self.start :]


def first_difference(example: Example) -> int:
    """The first position where an example's two prompts differ; 0 without a second prompt."""
    if example.source is None:
        return 0
    pairs = enumerate(zip(example.pair.clean, example.source, strict=True))
    return next((i for i, (token, other) in pairs if token != other), len(example.source) - 1)
