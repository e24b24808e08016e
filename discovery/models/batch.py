"""What an adapter computes on: a model's sizes, and prompts made ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """A model's sizes; `d_model` need not be `n_heads * d_head`."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    d_vocab: int

    @property
    def kv_group(self) -> int:
        """How many query heads share a key-value head."""
        return self.n_heads // self.n_kv_heads


@dataclass(frozen=True)
class Batch:
    """Prompts, or beginnings of prompts of `prompt_lengths`, and what is computed from them once.

    `attention_mask` is False on padding, which may stand on either side. `last` is the index of
    each prompt's last real token. `masks` and `rotary` are the adapter's own, by kind of layer.
    """

    tokens: Int[Tensor, "batch pos"]
    attention_mask: Bool[Tensor, "batch pos"]
    position_ids: Int[Tensor, "batch pos"]
    last: Int[Tensor, " batch"]
    prompt_lengths: Int[Tensor, " batch"]
    masks: Mapping[str, Tensor | None] = field(default_factory=dict)
    rotary: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def cut(self, start: int, stop: int | None = None) -> Batch:
        """The positions from `start` to `stop`.

        What depends on a whole prompt stays as it is: positions and angles. Masks are of these
        positions' queries, and of all keys up to `stop`.
        """
        part = slice(start, stop)
        n_keys = self.tokens[:, :stop].shape[1]
        return replace(
            self,
            tokens=self.tokens[:, part],
            attention_mask=self.attention_mask[:, part],
            position_ids=self.position_ids[:, part],
            last=self.last - start,
            masks={
                kind: self._causal(start, n_keys) if mask is None else mask[..., part, :stop]
                for kind, mask in self.masks.items()
            },
            rotary={
                kind: (cos[..., part, :], sin[..., part, :])
                for kind, (cos, sin) in self.rotary.items()
            },
        )

    def _causal(self, start: int, n_keys: int) -> Bool[Tensor, "1 1 query key"] | None:
        """Which keys the queries from `start` on see, where a mask of None is the causal one."""
        if start == 0:
            return None
        device = self.tokens.device
        every = torch.ones(1, 1, n_keys - start, n_keys, dtype=torch.bool, device=device)
        return every.tril(start)
