"""Models and pairs that benchmarks measure on: shapes with random weights, and two real models."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers

from discovery.models import Gemma3Adapter, GPT2Adapter, LlamaAdapter, ModelAdapter
from discovery.tasks import TokenPair

N_PAIRS, N_TOKENS = 32, 16
SHAPES: dict[str, dict[str, int]] = {
    "479-edges": {"n_layer": 4, "n_head": 4, "n_embd": 128, "vocab_size": 1024},
    "gpt2-small": {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257},
}
REAL = ("smollm2-135m", "gemma3-270m")
"""Measured where tests/real_models.py can have them."""


def random_gpt2(case: str) -> transformers.GPT2LMHeadModel:
    """A GPT-2 of one of `SHAPES`; weights from seed 0."""
    torch.manual_seed(0)
    tokens: dict[str, Any] = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    config = transformers.GPT2Config(**SHAPES[case], n_positions=64, **tokens)
    return transformers.GPT2LMHeadModel(config).eval()


def load(case: str) -> ModelAdapter:
    """One of `SHAPES` or `REAL`, in float32."""
    if case in SHAPES:
        return GPT2Adapter(random_gpt2(case))
    from tests.real_models import MODELS, fetch_folder

    folder = fetch_folder(MODELS[case])
    if case == "gemma3-270m":
        gemma = transformers.Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return Gemma3Adapter(gemma)
    return LlamaAdapter(transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32))


def random_pairs(d_vocab: int, shared: int = 0) -> tuple[TokenPair, ...]:
    """Random prompts from seed 0; a pair's two are alike in their first `shared` tokens.

    The answer is the clean prompt's last token, the wrong one the corrupt prompt's.
    """
    drawn = np.random.default_rng(0).integers(0, d_vocab, (N_PAIRS, 2, N_TOKENS))
    drawn[:, 1, :shared] = drawn[:, 0, :shared]
    return tuple(
        TokenPair(
            clean=tuple(clean),
            corrupt=tuple(corrupt),
            answers=((clean[-1],),),
            wrong_answers=((corrupt[-1],),),
            positions=(N_TOKENS - 1,),
            id=f"pair-{number}",
            group=f"pair-{number}",
        )
        for number, (clean, corrupt) in enumerate(drawn.tolist())
    )
