"""GPT-NeoX (Pythia): one fused projection, partly rotary heads, MLP beside or after attention."""

from __future__ import annotations

from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from discovery.models.base import Batch, Qkv, Reader
from discovery.models.decoder import DecoderAdapter
from discovery.models.mlp import MlpWeights, plain_mlp
from discovery.models.projection import HeadWeights, linear_heads

PLACE = {"q": 0, "k": 1, "v": 2}


class NeoXAdapter(DecoderAdapter):
    """GPT-NeoX, with the parallel residual (Pythia) or the sequential one."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        self.parallel = self.config.use_parallel_residual

    def _block(self, layer: int) -> Any:
        return self.model.gpt_neox.layers[layer]

    def attention_module(self, layer: int) -> Any:
        return self._block(layer).attention

    def projections(self, layer: int) -> list[nn.Module]:
        attn = self.attention_module(layer)
        return [attn.query_key_value, attn.dense]

    def embed_parts(self, batch: Batch) -> dict[str, Float[Tensor, "batch pos d_model"]]:
        return {"input": self.model.gpt_neox.embed_in(batch.tokens)}

    def rotary_module(self) -> nn.Module:
        return self.model.gpt_neox.rotary_emb

    def norm_module(self, layer: int, reader: Reader) -> nn.Module:
        if reader == "logits":
            return self.model.gpt_neox.final_layer_norm
        block = self._block(layer)
        return block.input_layernorm if reader == "attn" else block.post_attention_layernorm

    def qkv_weights(self, layer: int, channel: Qkv) -> HeadWeights:
        # Head by head, each with its query, key and value side by side.
        fused = linear_heads(self.attention_module(layer).query_key_value, 3 * self.shape.d_head)
        first = PLACE[channel] * self.shape.d_head
        part = slice(first, first + self.shape.d_head)
        bias = None if fused.bias is None else fused.bias[:, part]
        return HeadWeights(fused.weight[:, part], bias)

    def rotate(
        self, batch: Batch, layer: int, channel: Qkv, y: Float[Tensor, "batch head pos d_head"]
    ) -> Float[Tensor, "batch head pos d_head"]:
        return y if channel == "v" else self.rotary(batch, layer, y)

    def out_weights(self, layer: int) -> Float[Tensor, "head d_head d_model"]:
        weight = self.attention_module(layer).dense.weight
        return rearrange(
            weight, "d_model (head d_head) -> head d_head d_model", d_head=self.shape.d_head
        )

    def attn_const(self, layer: int) -> Float[Tensor, " d_model"] | None:
        return self.attention_module(layer).dense.bias

    def mlp(
        self, layer: int, x: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        return self._block(layer).mlp(x)

    def mlp_weights(self, layer: int) -> MlpWeights:
        mlp = self._block(layer).mlp
        return plain_mlp(mlp.act, mlp.dense_h_to_4h, mlp.dense_4h_to_h)
