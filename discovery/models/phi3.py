"""Phi-3: Llama with query, key and value in one projection, the three side by side."""

from __future__ import annotations

from torch import nn

from discovery.models.base import ModelAdapter, Qkv
from discovery.models.llama import LlamaAdapter
from discovery.models.mlp import MlpWeights, linear_rows
from discovery.models.projection import HeadWeights, linear_heads


class Phi3Adapter(LlamaAdapter):
    """Phi-3 and Phi-4 mini."""

    windowed_everywhere = True
    # One module for three channels: the product takes the channel's rows of its weight.
    _project_all = ModelAdapter._project_all

    def projections(self, layer: int) -> list[nn.Module]:
        attn = self.attention_module(layer)
        return [attn.qkv_proj, attn.o_proj]

    def qkv_weights(self, layer: int, channel: Qkv) -> HeadWeights:
        fused = linear_heads(self.attention_module(layer).qkv_proj, self.shape.d_head)
        queries, shared = self.shape.n_heads, self.shape.n_kv_heads
        first = {"q": 0, "k": queries, "v": queries + shared}[channel]
        part = slice(first, first + (queries if channel == "q" else shared))
        return HeadWeights(fused.weight[part], None if fused.bias is None else fused.bias[part])

    def mlp_weights(self, layer: int) -> MlpWeights:
        # The gate's rows, then those that its value is multiplied by.
        mlp = self._block(layer).mlp
        (fused, bias), (down, down_bias) = linear_rows(mlp.gate_up_proj), linear_rows(mlp.down_proj)
        gate, up = fused.chunk(2)
        gate_bias, up_bias = (None, None) if bias is None else bias.chunk(2)
        return MlpWeights(mlp.activation_fn, up, down.T, up_bias, down_bias, gate, gate_bias)
