"""Tiny random models and made pairs that the engine's tests share."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
import torch
import transformers

from discovery.models import GPT2Adapter, LlamaAdapter, LoadedModel
from discovery.models.decoder import DecoderAdapter
from discovery.tasks.base import PairSet, TokenPair
from graph_schema.documents import (
    CircuitDocument,
    DatasetDocument,
    Evaluation,
    ModelDocument,
    sha256_hex,
)

D_VOCAB = 29
NO_TOKENS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


def _random(model: Any, dtype: torch.dtype, seed: int) -> Any:
    """Weights large enough that every edge matters, biases included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1 and "norm" not in name and "ln_" not in name:
                weight.normal_(0, 0.2, generator=generator)
            elif weight.ndim == 1:
                weight.uniform_(0.7, 1.3, generator=generator)
            else:
                weight.normal_(0, 0.25, generator=generator)
    return model.to(dtype).eval()


@cache
def tiny_gpt2(layers: int = 2, dtype: torch.dtype = torch.float32, seed: int = 0) -> GPT2Adapter:
    config = transformers.GPT2Config(
        vocab_size=D_VOCAB,
        n_positions=16,
        n_embd=24,
        n_layer=layers,
        n_head=3,
        n_inner=32,
        **NO_TOKENS,
    )
    return GPT2Adapter(_random(transformers.GPT2LMHeadModel(config), dtype, seed))


@cache
def tiny_llama(layers: int = 2, dtype: torch.dtype = torch.float32, seed: int = 0) -> LlamaAdapter:
    """Grouped queries: two query heads share a key-value head; d_head is not d_model / n_heads."""
    config = transformers.LlamaConfig(
        vocab_size=D_VOCAB,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=16,
        **NO_TOKENS,
    )
    return LlamaAdapter(_random(transformers.LlamaForCausalLM(config), dtype, seed))


def made_pairs(
    n: int = 4,
    lengths: tuple[int, ...] = (6, 4),
    seed: int = 0,
    targets: int = 1,
    shared: int = 0,
) -> tuple[TokenPair, ...]:
    """Random prompts of the given lengths in turn, with two answers and one wrong answer.

    The first `shared` tokens of a pair's prompts are the same, the next one is not.
    """
    rng = np.random.default_rng(seed)
    pairs: list[TokenPair] = []
    for i in range(n):
        length = lengths[i % len(lengths)]
        clean, corrupt = rng.integers(0, D_VOCAB, (2, length)).tolist()
        if shared:
            corrupt[: shared + 1] = [*clean[:shared], (clean[shared] + 1) % D_VOCAB]
        places = tuple(range(length - targets, length))
        tokens = [rng.permutation(D_VOCAB)[:3].tolist() for _ in places]
        pairs.append(
            TokenPair(
                clean=tuple(clean),
                corrupt=tuple(corrupt),
                answers=tuple((a, b) for a, b, _ in tokens),
                wrong_answers=tuple((c,) for _, _, c in tokens),
                positions=places,
                id=f"pair-{i}",
                group=f"group-{i // 2}",
                weights=tuple(((a, 1.0), (c, -0.5)) for a, _, c in tokens),
            )
        )
    return tuple(pairs)


def done_pairs(adapter: Any, n: int, length: int = 6) -> tuple[TokenPair, ...]:
    """Pairs of a task that a random model does: tell its own top token from the corrupt one's."""
    rng = np.random.default_rng(5)
    pairs: list[TokenPair] = []
    while len(pairs) < n:
        prompts = torch.from_numpy(rng.integers(0, D_VOCAB, (2, length)))
        with torch.no_grad():
            clean, corrupt = adapter.model(prompts).logits[:, -1].argmax(-1).tolist()
        if clean != corrupt:
            pairs.append(
                TokenPair(
                    clean=tuple(prompts[0].tolist()),
                    corrupt=tuple(prompts[1].tolist()),
                    answers=((clean,),),
                    wrong_answers=((corrupt,),),
                    positions=(length - 1,),
                    id=f"pair-{len(pairs)}",
                    group=f"group-{len(pairs) // 2}",
                )
            )
    return tuple(pairs)


def loaded_model(adapter: DecoderAdapter) -> LoadedModel:
    """As a job gets it, under a made fingerprint."""
    document = ModelDocument(
        fingerprint="0" * 40,
        name="tiny",
        family=adapter.config.model_type,
        architecture=type(adapter.model).__name__,
        n_edges=adapter.n_edges,
        **asdict(adapter.shape),
    )
    return LoadedModel(adapter, None, document)


def pair_set(adapter: DecoderAdapter, notes: tuple[str, ...] = ()) -> PairSet:
    """Ten pairs of a task that it does, and ten held out."""
    pairs = done_pairs(adapter, 20)
    document = DatasetDocument(sha256=sha256_hex("made"), task="made", n_pairs=20, jsonl="")
    return PairSet(pairs[:10], pairs[10:], document, "made", "made-1", notes)


def judged(circuit: CircuitDocument) -> Evaluation:
    """What was measured of a circuit that a job found."""
    assert circuit.evaluation is not None
    return circuit.evaluation
