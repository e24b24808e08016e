"""What an adapter computes on: a model's sizes, and prompts made ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
