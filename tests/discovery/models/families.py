"""A tiny random model of every family: a new family passes the suite by one line here.

Sizes are chosen to tell axes apart: d_head is not d_model / n_heads where a family allows that,
and query heads share key-value heads where it can. Windows are shorter than the prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import transformers

from discovery.models import DecoderAdapter, adapter_class
from discovery.models.smeared import SmearedConfig

D_VOCAB = 29
NO_TOKENS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
SIZES: dict[str, Any] = {
    "vocab_size": D_VOCAB,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    **NO_TOKENS,
}
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}
WIDE: dict[str, Any] = {**GROUPED, "head_dim": 8}
WINDOWS = {"sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]}
GEMMA: dict[str, Any] = {**WIDE, **WINDOWS, "query_pre_attn_scalar": 8}


@dataclass(frozen=True)
class Family:
    """A transformers configuration class and a tiny configuration."""

    config: Callable[..., Any]
    sizes: dict[str, Any]


FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        transformers.GPT2Config,
        {"vocab_size": D_VOCAB, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 3}
        | NO_TOKENS,
    ),
    "gpt2-scaled-by-layer": Family(
        transformers.GPT2Config,
        {"vocab_size": D_VOCAB, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 3}
        | {"n_inner": 20, "scale_attn_by_inverse_layer_idx": True, "activation_function": "relu"}
        | NO_TOKENS,
    ),
    "smeared": Family(
        SmearedConfig,
        {"vocab_size": D_VOCAB, "n_positions": 32, "n_embd": 24, "n_layer": 2, "n_head": 3}
        | NO_TOKENS,
    ),
    "neox-parallel": Family(transformers.GPTNeoXConfig, SIZES),
    "neox-sequential": Family(
        transformers.GPTNeoXConfig, {**SIZES, "use_parallel_residual": False}
    ),
    "llama": Family(transformers.LlamaConfig, GROUPED),
    "llama-biased": Family(
        transformers.LlamaConfig, {**WIDE, "attention_bias": True, "mlp_bias": True}
    ),
    "mistral": Family(transformers.MistralConfig, {**WIDE, "sliding_window": 3}),
    "qwen2": Family(transformers.Qwen2Config, GROUPED),
    "qwen3": Family(transformers.Qwen3Config, {**WIDE, **WINDOWS, "use_sliding_window": True}),
    "gemma2": Family(
        transformers.Gemma2Config,
        {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    ),
    "gemma3": Family(transformers.Gemma3TextConfig, GEMMA),
    "olmo2": Family(transformers.Olmo2Config, GROUPED),
    "phi3": Family(transformers.Phi3Config, {**GROUPED, "sliding_window": 3}),
}


@cache
def tiny(name: str, dtype: torch.dtype = torch.float32, layers: int = 2) -> DecoderAdapter:
    """The family's adapter on random weights, large enough that everything matters."""
    family = FAMILIES[name]
    said = "n_layer" if "n_layer" in family.sizes else "num_hidden_layers"
    depth: dict[str, Any] = {said: layers}
    if "layer_types" in family.sizes:
        depth["layer_types"] = [family.sizes["layer_types"][i % 2] for i in range(layers)]
    return of_config(family.config(**{**family.sizes, **depth}), dtype)


def of_config(config: Any, dtype: torch.dtype = torch.float32) -> DecoderAdapter:
    """The adapter of any configuration on random weights, the same at every call."""
    adapter = adapter_class(config)
    config._attn_implementation = adapter.attention_implementation
    model = transformers.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            # Norm scales vary too: a norm that is left out or applied twice must show.
            centre = 1.0 if weight.ndim == 1 and bool((weight == 1).all()) else 0.0
            weight.normal_(centre, 0.25, generator=generator)
    return adapter(model.to(dtype))
