"""OLMo 2: norms after each sublayer and none before, and one norm over all heads' queries.

That last norm couples heads: a head's query depends on the size of its siblings'. A receiver is a
function of its own mixture alone, so a head that reads its own input norms the queries that *all*
heads would have from that input, and keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from discovery.models.base import Batch, Qkv, Reader, Sublayer
from discovery.models.llama import LlamaAdapter
from discovery.models.projection import Apart, copies


class Olmo2Adapter(LlamaAdapter):
    """OLMo 2."""

    post_norms = True

    def norm_module(self, layer: int, reader: Reader) -> nn.Module | None:
        return super().norm_module(layer, reader) if reader == "logits" else None

    def post_norm_module(self, layer: int, sublayer: Sublayer) -> nn.Module:
        block = self._block(layer)
        attn = sublayer == "attn"
        return block.post_attention_layernorm if attn else block.post_feedforward_layernorm

    def rotate(
        self, batch: Batch, layer: int, channel: Qkv, y: Float[Tensor, "batch head pos d_head"]
    ) -> Float[Tensor, "batch head pos d_head"]:
        return y if channel == "v" else self.rotary(batch, layer, y)

    def project(
        self,
        batch: Batch,
        layer: int,
        channel: Qkv,
        x: Float[Tensor, "batch pos d_model"] | Float[Tensor, "batch head pos d_model"],
        heads: Sequence[int] | None = None,
    ) -> Float[Tensor, "batch head pos d_head"]:
        if channel == "v":
            return super().project(batch, layer, channel, x, heads)
        attn = self.attention_module(layer)
        every = getattr(attn, f"{channel}_norm")(getattr(attn, f"{channel}_proj")(x))
        cut = rearrange(every, "... pos (kv d_head) -> ... kv pos d_head", d_head=self.shape.d_head)
        group = 1 if channel == "q" else self.shape.kv_group
        wanted = range(self.shape.n_heads) if heads is None else heads
        own = [head // group for head in wanted]
        # One input for all heads, or head i's own input i.
        y = cut[:, own] if x.ndim == 3 else cut[:, torch.arange(len(own)), own]
        return self.rotate(batch, layer, channel, y)

    def project_apart(
        self, batch: Batch, layer: int, channel: Qkv, x: Float[Tensor, "batch pos d_model"]
    ) -> Apart:
        if channel == "v":
            return super().project_apart(batch, layer, channel, x)
        own = copies(x, self.shape.n_heads)
        return Apart(own, self.project(batch, layer, channel, own))
