"""Means over discovery prompts of one length, by position: what ablation `mean` puts in place.

Of whatever a run of the model shows: senders' writes, or units' coefficients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from discovery.models import Batch, ModelAdapter
from discovery.tasks.base import TokenIds

PROMPTS = 8
"""That are run together."""
Show = Callable[[Batch], Sequence[Tensor]]
"""What a run shows, each [row, batch, pos, ...]."""


class Means:
    """Means of other prompts: one's own copies would hold a part of what is to be ablated."""

    def __init__(self, adapter: ModelAdapter, prompts: Sequence[TokenIds], show: Show) -> None:
        self._adapter, self._prompts, self._show = adapter, tuple(prompts), show
        self._copies = Counter(self._prompts)
        self._lengths = Counter(len(prompt) for prompt in self._prompts)
        self._sums: dict[int, list[Tensor]] = {}

    def need_own(self, prompts: Sequence[TokenIds]) -> bool:
        """Whether what a run of these prompts shows is needed: one of them is in its own mean."""
        return any(prompt in self._copies for prompt in prompts)

    def put(
        self, prompts: Sequence[TokenIds], own: Sequence[Tensor] | None, into: Sequence[Tensor]
    ) -> None:
        """Write each prompt's means over its row; `own` is what a run of these prompts shows."""
        for row, prompt in enumerate(prompts):
            length, copies = len(prompt), self._copies[prompt]
            n = self._lengths[length] - copies
            for number, (block, total) in enumerate(zip(into, self._sum(length), strict=True)):
                if own is not None and copies:
                    total = total - copies * own[number][:, row, :length]
                block[:, row, :length] = total / n

    def _sum(self, length: int) -> list[Tensor]:
        """Of the prompts of one length, by position."""
        if length not in self._sums:
            prompts = [prompt for prompt in self._prompts if len(prompt) == length]
            total: list[Tensor] | None = None
            for start in range(0, len(prompts), PROMPTS):
                tokens = torch.tensor(prompts[start : start + PROMPTS])
                part = [each.sum(1) for each in self._show(self._adapter.batch(tokens, None))]
                total = part if total is None else [a + b for a, b in zip(total, part, strict=True)]
            assert total is not None, "examples() has checked that the length is there"
            self._sums[length] = total
        return self._sums[length]
