"""The positions that a kept set can change: from the first token where the prompts differ.

Before it a causal model computes the same from the clean prompt and from the one that ablated
values come from, so every sender writes its ablated value, whatever is kept, and no difference
meets a gradient. Nothing is computed there but, once, the keys and values that later positions
look back at. In IOI the prompts differ at the subject's second mention, and that is two thirds of
the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.engine.ablation import Example
from discovery.engine.forward import KeysValues, Run, keys_values, mix, run
from discovery.engine.graph import Graph
from discovery.models import Batch, ModelAdapter

Heads = Float[Tensor, "batch head pos d_head"]


@dataclass(frozen=True)
class Window:
    """A chunk's positions from `start` on, and what lies before.

    Attributes:
        start: The first position that can change.
        batch: The prompts from there on.
        positions: The metric's positions, counted from there.
        before: Each layer's keys and values of earlier positions; none where `start` is 0.
    """

    start: int
    batch: Batch
    positions: Int[Tensor, "batch target"]
    before: tuple[KeysValues, ...]
    _adapter: ModelAdapter
    _graph: Graph

    @classmethod
    def of(
        cls,
        adapter: ModelAdapter,
        graph: Graph,
        examples: Sequence[Example],
        batch: Batch,
        positions: Int[Tensor, "batch target"],
    ) -> Window:
        """The window of a chunk whose prompts begin at position 0."""
        start = 0
        if not adapter.whole_prompts:
            start = min(int(positions.min()), *(first_difference(each) for each in examples))
        if start == 0:
            return cls(0, batch, positions, (), adapter, graph)
        before = keys_values(adapter, graph, adapter.cut(batch, 0, start))
        return cls(start, adapter.cut(batch, start), positions - start, before, adapter, graph)

    def run(self, dtype: torch.dtype, batch: Batch | None = None) -> Run:
        """The model as it is on these positions, or on those of other prompts that begin alike.

        `batch` holds whole prompts.
        """
        part = self.batch
        if batch is not None:
            part = self._adapter.cut(batch, self.start) if self.start else batch
        return run(self._adapter, self._graph, part, dtype, self.before)

    def mix(
        self, layer: int, q: Heads, k: Heads, v: Heads, heads: list[int] | None = None
    ) -> Heads:
        """Attention of some heads of a layer (None: all) at the window's positions."""
        before = self.before[layer] if self.before else None
        if before is not None and heads is not None:
            before = before[0][:, heads], before[1][:, heads]
        return mix(self._adapter, self.batch, layer, q, k, v, before)


def first_difference(example: Example) -> int:
    """The first position where an example's two prompts differ; 0 without a second prompt."""
    if example.source is None:
        return 0
    pairs = enumerate(zip(example.pair.clean, example.source, strict=True))
    return next((i for i, (token, other) in pairs if token != other), len(example.source) - 1)
