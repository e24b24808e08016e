"""Llama and its kin: Mistral, Qwen 2, Qwen 3. RMSNorm, rotary positions, grouped queries.

They differ in biases, in a norm on each head's query and key (Qwen 3) and in sliding windows
(Mistral, Qwen), all of which is read off the modules and the configuration.
"""

from __future__ import annotations

from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from discovery.models.base import Batch, HeadWeights, Qkv, Reader
from discovery.models.decoder import FULL, SLIDING, DecoderAdapter
from discovery.models.mlp import MlpWeights, gated_mlp
from discovery.models.projection import linear_all, linear_heads


class LlamaAdapter(DecoderAdapter):
    """Pre-norm decoders with `q_proj`, `k_proj`, `v_proj`, `o_proj` and a gated MLP."""

    windowed_everywhere = False
    """The configuration has one sliding window, or none, for all layers."""

    def _block(self, layer: int) -> Any:
        return self.model.model.layers[layer]

    def attention_module(self, layer: int) -> Any:
        return self._block(layer).self_attn

    def projections(self, layer: int) -> list[nn.Module]:
        attn = self.attention_module(layer)
        return [attn.q_proj, attn.k_proj, attn.v_proj, attn.o_proj]

    def embed_parts(self, batch: Batch) -> dict[str, Float[Tensor, "batch pos d_model"]]:
        return {"input": self.model.model.embed_tokens(batch.tokens)}

    def mask_kind(self, layer: int) -> str:
        if self.windowed_everywhere:
            return FULL if self.config.sliding_window is None else SLIDING
        return super().mask_kind(layer)

    def rotary_module(self) -> nn.Module:
        return self.model.model.rotary_emb

    def norm_module(self, layer: int, reader: Reader) -> nn.Module | None:
        if reader == "logits":
            return self.model.model.norm
        block = self._block(layer)
        return block.input_layernorm if reader == "attn" else block.post_attention_layernorm

    def _projection(self, layer: int, channel: Qkv) -> nn.Linear:
        return getattr(self.attention_module(layer), f"{channel}_proj")

    def qkv_weights(self, layer: int, channel: Qkv) -> HeadWeights:
        return linear_heads(self._projection(layer, channel), self.shape.d_head)

    def _project_all(
        self,
        layer: int,
        channel: Qkv,
        cut: HeadWeights,
        x: Float[Tensor, "batch pos d_model"],
    ) -> Float[Tensor, "batch head pos d_head"]:
        return linear_all(self._projection(layer, channel), x, self.shape.d_head)

    def rotate(
        self, batch: Batch, layer: int, channel: Qkv, y: Float[Tensor, "batch head pos d_head"]
    ) -> Float[Tensor, "batch head pos d_head"]:
        if channel == "v":
            return y
        if (
            head_norm := getattr(self.attention_module(layer), f"{channel}_norm", None)
        ) is not None:
            y = head_norm(y)
        return self.rotary(batch, layer, y)

    def out_weights(self, layer: int) -> Float[Tensor, "head d_head d_model"]:
        weight = self.attention_module(layer).o_proj.weight
        return rearrange(
            weight, "d_model (head d_head) -> head d_head d_model", d_head=self.shape.d_head
        )

    def attn_const(self, layer: int) -> Float[Tensor, " d_model"] | None:
        return self.attention_module(layer).o_proj.bias

    def mlp(
        self, layer: int, x: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        return self._block(layer).mlp(x)

    def mlp_weights(self, layer: int) -> MlpWeights:
        mlp = self._block(layer).mlp
        return gated_mlp(mlp.act_fn, mlp.gate_proj, mlp.up_proj, mlp.down_proj)


class MistralAdapter(LlamaAdapter):
    """Mistral: a sliding window in every layer, where there is one."""

    windowed_everywhere = True
