"""GPT-2: learned positions, one fused projection for query, key and value, LayerNorm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from transformers.activations import NewGELUActivation

from discovery.models.base import Batch, Qkv, Reader, Shape
from discovery.models.decoder import DecoderAdapter
from discovery.models.mlp import MlpWeights, plain_mlp
from discovery.models.projection import HeadWeights

PLACE = {"q": 0, "k": 1, "v": 2}


class GPT2Adapter(DecoderAdapter):
    """GPT-2 as transformers' `GPT2LMHeadModel` computes it."""

    def _shape(self) -> Shape:
        config = self.config
        return Shape(
            n_layers=config.n_layer,
            n_heads=config.n_head,
            n_kv_heads=config.n_head,
            d_model=config.n_embd,
            d_head=config.n_embd // config.n_head,
            d_mlp=config.n_inner or 4 * config.n_embd,
            d_vocab=config.vocab_size,
        )

    def _block(self, layer: int) -> Any:
        return self.model.transformer.h[layer]

    def attention_module(self, layer: int) -> Any:
        return self._block(layer).attn

    def projections(self, layer: int) -> list[nn.Module]:
        attn = self._block(layer).attn
        return [attn.c_attn, attn.c_proj]

    def embed_parts(self, batch: Batch) -> dict[str, Float[Tensor, "batch pos d_model"]]:
        tokens = self.model.transformer.wte(batch.tokens)
        positions = self.model.transformer.wpe(batch.position_ids)
        if self.split_embed:
            return {"embed": tokens, "pos_embed": positions}
        return {"input": tokens + positions}

    def norm_module(self, layer: int, reader: Reader) -> nn.Module:
        if reader == "logits":
            return self.model.transformer.ln_f
        block = self._block(layer)
        return block.ln_1 if reader == "attn" else block.ln_2

    def qkv_weights(self, layer: int, channel: Qkv) -> HeadWeights:
        # Conv1D keeps its weight as [d_in, d_out], with d_out = query, key, value side by side.
        fused, d_model = self._block(layer).attn.c_attn, self.shape.d_model
        part = slice(PLACE[channel] * d_model, (PLACE[channel] + 1) * d_model)
        return HeadWeights(
            rearrange(
                fused.weight[:, part],
                "d_model (head d_head) -> head d_head d_model",
                d_head=self.shape.d_head,
            ),
            rearrange(fused.bias[part], "(head d_head) -> head d_head", d_head=self.shape.d_head),
        )

    def out_weights(self, layer: int) -> Float[Tensor, "head d_head d_model"]:
        weight = self._block(layer).attn.c_proj.weight
        return rearrange(
            weight, "(head d_head) d_model -> head d_head d_model", d_head=self.shape.d_head
        )

    def attn_const(self, layer: int) -> Float[Tensor, " d_model"] | None:
        return self._block(layer).attn.c_proj.bias

    def mlp(
        self, layer: int, x: Float[Tensor, "batch pos d_model"]
    ) -> Float[Tensor, "batch pos d_model"]:
        mlp = self._block(layer).mlp
        return mlp.c_proj(_in_one_kernel(mlp.act)(mlp.c_fc(x)))

    def mlp_weights(self, layer: int) -> MlpWeights:
        mlp = self._block(layer).mlp
        return plain_mlp(_in_one_kernel(mlp.act), mlp.c_fc, mlp.c_proj)


def _in_one_kernel(act: nn.Module) -> Callable[[Tensor], Tensor]:
    """The same function, not in eight."""
    if type(act) is not NewGELUActivation:
        return act
    return partial(nn.functional.gelu, approximate="tanh")
