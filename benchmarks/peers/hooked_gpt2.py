"""A GPT-2 of transformers as TransformerLens's `HookedTransformer`, for the peers' scripts."""

from __future__ import annotations

from pathlib import Path

import torch
import transformer_lens
import transformers
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights


def hooked(folder: Path) -> transformer_lens.HookedTransformer:
    source = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    sizes = source.config
    config = transformer_lens.HookedTransformerConfig(
        n_layers=sizes.n_layer,
        n_heads=sizes.n_head,
        d_model=sizes.n_embd,
        d_head=sizes.n_embd // sizes.n_head,
        d_mlp=4 * sizes.n_embd,
        n_ctx=sizes.n_positions,
        d_vocab=sizes.vocab_size,
        act_fn="gelu_new",
        normalization_type="LN",
        eps=sizes.layer_norm_epsilon,
        use_attn_result=True,
        use_split_qkv_input=True,
        use_hook_mlp_in=True,
        device="cpu",
    )
    model = transformer_lens.HookedTransformer(config)
    weights = convert_gpt2_weights(source, config)
    model.load_state_dict(weights, strict=False)
    model.eval()
    return model
