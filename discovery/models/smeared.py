"""GPT-2 with smeared keys: each key is mixed with that of the position before.

    k'_i = s k_i + (1 - s) k_{i-1}        s in (0, 1), learned for each head; k'_0 = k_0

With it one layer does induction, without a previous-token head (Olsson et al. 2022,
arXiv:2209.11895, "smeared keys"): the induction role is there, the usual wiring is not. Through
everything else it is transformers' GPT-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.gpt2.modeling_gpt2 import eager_attention_forward as eager

from discovery.models.base import Batch, Qkv
from discovery.models.gpt2 import GPT2Adapter
from discovery.models.projection import Apart

FAMILY = "smeared"


# transformers makes a dataclass of it whose constructor takes more than its signature says, which
# the shape checker of the tests would refuse of a class statement here.
SmearedConfig = type("SmearedConfig", (GPT2Config,), {"model_type": FAMILY, "__doc__": "GPT-2's."})


class Smearing(nn.Module):
    """Mixes keys with those of the position before; `share` are the logits of s by head."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.zeros(n_heads))

    def forward(
        self, k: Float[Tensor, "batch head pos d_head"], alone: Bool[Tensor, "batch pos"] | None
    ) -> Tensor:
        return smeared(k, self.share.sigmoid(), alone)


def smeared(
    k: Float[Tensor, "batch head pos d_head"],
    s: Float[Tensor, " head"],
    alone: Tensor | None = None,
) -> Float[Tensor, "batch head pos d_head"]:
    """The keys, mixed; `alone` [batch, pos] marks positions that have none before them."""
    before = torch.cat([k[:, :, :1], k[:, :, :-1]], dim=2)
    if alone is not None:
        before = torch.where(rearrange(alone, "batch pos -> batch 1 pos 1"), k, before)
    share = rearrange(s.to(k.dtype), "head -> head 1 1")
    return share * k + (1 - share) * before


def eager_attention_forward(
    module: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **options: Any
) -> Any:
    """GPT-2's attention; where the module has a smearing, of smeared keys."""
    smearing = getattr(module, "smearing", None)
    if smearing is not None:
        k = smearing(k, _alone(mask, k.shape[0]))
    return eager(module, q, k, v, mask, **options)


def _alone(mask: Tensor | None, n: int) -> Tensor | None:
    """Which of `n` prompts' positions do not see the one before, which is padding then."""
    if mask is None:
        return None
    seen = mask if mask.dtype == torch.bool else mask == 0
    before = seen[:, 0].diagonal(-1, dim1=1, dim2=2)
    return nn.functional.pad(~before, (1, 0), value=True).expand(n, -1)


class SmearedLMHeadModel(GPT2LMHeadModel):
    """GPT-2 whose attention reads smeared keys. Generation with a cache is not provided."""

    config_class = SmearedConfig

    def __init__(self, config: Any) -> None:
        config._attn_implementation = FAMILY
        super().__init__(config)
        blocks: Any = self.transformer.h
        for block in blocks:
            block.attn.smearing = Smearing(config.n_head)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Smearing):
            nn.init.zeros_(module.share)
        else:
            super()._init_weights(module)


class SmearedAdapter(GPT2Adapter):
    """`SmearedLMHeadModel`; a position's key needs the prompt before it."""

    attention_implementation = FAMILY
    smears_keys = True

    def project(
        self,
        batch: Batch,
        layer: int,
        channel: Qkv,
        x: Float[Tensor, "batch pos d_model"] | Float[Tensor, "batch head pos d_model"],
        heads: Sequence[int] | None = None,
    ) -> Float[Tensor, "batch head pos d_head"]:
        y = super().project(batch, layer, channel, x, heads)
        return self._smeared(batch, layer, channel, y, heads)

    def project_apart(
        self, batch: Batch, layer: int, channel: Qkv, x: Float[Tensor, "batch pos d_model"]
    ) -> Apart:
        found = super().project_apart(batch, layer, channel, x)
        return replace(found, y=self._smeared(batch, layer, channel, found.y, None))

    def _smeared(
        self, batch: Batch, layer: int, channel: Qkv, y: Tensor, heads: Sequence[int] | None
    ) -> Tensor:
        if channel != "k":
            return y
        s = self._block(layer).attn.smearing.share.float().sigmoid()
        real = batch.attention_mask
        alone = torch.ones_like(real)
        alone[:, 1:] = ~real[:, :-1]
        return smeared(y, s if heads is None else s[list(heads)], alone)


def register() -> None:
    """Make the family known to transformers' own tables; once is enough, twice does no harm."""
    AutoConfig.register(FAMILY, SmearedConfig, exist_ok=True)
    AutoModelForCausalLM.register(SmearedConfig, SmearedLMHeadModel, exist_ok=True)
    ALL_ATTENTION_FUNCTIONS.register(FAMILY, eager_attention_forward)
    ALL_MASK_ATTENTION_FUNCTIONS.register(FAMILY, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
