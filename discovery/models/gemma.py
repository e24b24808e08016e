"""Gemma 2 and Gemma 3: norms before and after each sublayer, sliding windows, soft-capping.

Senders write raw outputs; `post_norm` is what stands between them and the residual stream.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from discovery.models.base import Reader, Sublayer
from discovery.models.llama import LlamaAdapter
from discovery.models.rotary import Angles
from graph_schema.errors import ModelError


class Gemma2Adapter(LlamaAdapter):
    """Gemma 2. Its soft-capped attention exists in the eager implementation alone."""

    attention_implementation = "eager"
    post_norms = True

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        if getattr(self.config, "use_bidirectional_attention", None):
            raise ModelError(
                f"{type(model).__name__} is configured with bidirectional attention; expected a "
                "causal language model, use_bidirectional_attention=false"
            )

    def norm_module(self, layer: int, reader: Reader) -> nn.Module | None:
        if reader == "mlp":
            return self._block(layer).pre_feedforward_layernorm
        return super().norm_module(layer, reader)

    def post_norm_module(self, layer: int, sublayer: Sublayer) -> nn.Module:
        block = self._block(layer)
        attn = sublayer == "attn"
        return block.post_attention_layernorm if attn else block.post_feedforward_layernorm

    def attention_options(self, layer: int) -> dict[str, Any]:
        return {"softcap": self.config.attn_logit_softcapping}

    def logits(
        self,
        rows: Float[Tensor, "*rows d_model"],
        tokens: Int[Tensor, "*rows token"] | slice | None = None,
    ) -> Float[Tensor, "*rows d_vocab"]:
        found, cap = super().logits(rows, tokens), self.config.final_logit_softcapping
        return found if cap is None else torch.tanh(found / cap) * cap


class Gemma3Adapter(Gemma2Adapter):
    """Gemma 3 (text): head norms, and rotary angles of their own for sliding-window layers."""

    attention_implementation = "sdpa"

    def angles(
        self, module: nn.Module, kind: str, like: Tensor, position_ids: Int[Tensor, "row pos"]
    ) -> Angles:
        return module(like, position_ids, kind)

    def attention_options(self, layer: int) -> dict[str, Any]:
        return {}
