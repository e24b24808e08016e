"""The positions that a kept set can change: from the first token where the prompts differ.

Before it a causal model computes the same from the clean prompt and from the one that ablated
values come from, so every sender writes its ablated value, whatever is kept, and no difference
meets a gradient. Nothing is computed there but, once, the keys and values that later positions
look back at. In IOI the prompts differ at the subject's second mention, and that is two thirds of
the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.engine.ablation import Example
from discovery.engine.forward import Run, keys_values, mix, run
from discovery.engine.graph import Graph
from discovery.engine.splice import Basis
from discovery.models import Batch, ModelAdapter

Heads = Float[Tensor, "batch head pos d_head"]


@dataclass(frozen=True)
class Window:
    """A chunk's positions from `start` on, and what lies before.

    Attributes:
        start: The first position that can change.
        batch: The prompts from there on.
        positions: The metric's positions, counted from there.
        before: Each layer's keys and values of earlier positions; none where `start` is 0. Copies
            of the chunk share them.
    """

    start: int
    batch: Batch
    positions: Int[Tensor, "batch target"]
    before: tuple[tuple[Tensor, Tensor], ...]
    _adapter: ModelAdapter
    _graph: Graph
    _basis: Basis | None = None
    _copies: dict[int, Window] = field(default_factory=lambda: dict[int, Window]())

    @classmethod
    def of(
        cls,
        adapter: ModelAdapter,
        graph: Graph,
        examples: Sequence[Example],
        batch: Batch,
        positions: Int[Tensor, "batch target"],
        basis: Basis | None = None,
    ) -> Window:
        """The window of a chunk whose prompts begin at position 0."""
        start = 0
        if not adapter.whole_prompts:
            start = min(int(positions.min()), *(first_difference(each) for each in examples))
        if start == 0:
            return cls(0, batch, positions, (), adapter, graph, basis)
        before = keys_values(adapter, graph, adapter.cut(batch, 0, start))
        part = adapter.cut(batch, start)
        return cls(start, part, positions - start, before, adapter, graph, basis)

    def run(self, dtype: torch.dtype, batch: Batch | None = None) -> Run:
        """The model as it is on these positions, or on those of other prompts that begin alike.

        `batch` holds whole prompts.
        """
        part = self.batch
        if batch is not None:
            part = self._adapter.cut(batch, self.start) if self.start else batch
        return run(self._adapter, self._graph, part, dtype, self.before, basis=self._basis)

    @property
    def few_targets(self) -> bool:
        """Whether the metric reads fewer positions than there are."""
        return self.positions.shape[1] < self.batch.tokens.shape[1]

    def beside(self, n: int) -> Window:
        """The window of `n` copies of the chunk, one after the other along the batch."""
        if n == 1:
            return self
        if n not in self._copies:
            batch = _repeated(self.batch, n)
            positions = self.positions.repeat(n, 1)
            self._copies[n] = replace(self, batch=batch, positions=positions, _copies={})
        return self._copies[n]

    def at_targets(self, x: Float[Tensor, "*rows batch pos d_model"]) -> Tensor:
        """`x` at each prompt's own metric's positions, [*rows, batch, target, d_model]."""
        return x[..., self._examples, self.positions, :]

    def put_at_targets(
        self,
        into: Float[Tensor, "batch pos d_model"],
        x: Float[Tensor, "batch target d_model"],
    ) -> None:
        """Write `x` over `into` at each prompt's own metric's positions."""
        into[self._examples, self.positions] = x

    @cached_property
    def _examples(self) -> Tensor:
        n, device = self.positions.shape[0], self.positions.device
        return torch.arange(n, device=device)[:, None]

    def mix(
        self, layer: int, q: Heads, k: Heads, v: Heads, heads: list[int] | None = None
    ) -> Heads:
        """Attention of some heads of a layer (None: all) at the window's positions."""
        before = self.before[layer] if self.before else None
        if before is not None:
            if heads is not None:
                index = self._adapter.index(heads)
                before = before[0][:, index], before[1][:, index]
            # Held once for all copies.
            n = q.shape[0] // before[0].shape[0]
            before = before[0].repeat(n, 1, 1, 1), before[1].repeat(n, 1, 1, 1)
        return mix(self._adapter, self.batch, layer, q, k, v, before)


def _repeated(batch: Batch, n: int) -> Batch:
    """The prompts `n` times, with their masks and angles; what all prompts share stays single."""
    size = batch.tokens.shape[0]

    def again(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {kind: again(each) for kind, each in value.items()}
        if isinstance(value, tuple):
            return tuple(again(each) for each in value)
        if value is None or (value.shape[0] == 1 and size > 1):
            return value
        return value.repeat(n, *[1] * (value.ndim - 1))

    return Batch(**{part.name: again(getattr(batch, part.name)) for part in fields(batch)})


def first_difference(example: Example) -> int:
    """The first position where an example's two prompts differ; 0 without a second prompt."""
    if example.source is None:
        return 0
    pairs = enumerate(zip(example.pair.clean, example.source, strict=True))
    return next((i for i, (token, other) in pairs if token != other), len(example.source) - 1)
