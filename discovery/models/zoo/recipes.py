"""The models of the zoo: six families, a smeared one, and negative controls.

They are small enough to be trained in seconds, on random repeated sequences. The negative controls
lack what an induction circuit (Olsson et al. 2022, arXiv:2209.11895) needs: a second layer, a
varying period, or repetition. The smeared one has the role and lacks the wiring (`smeared.py`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from graph_schema.documents import sha256_hex
from graph_schema.errors import SpecError

DEMO = "gpt2"
D_VOCAB, N_CTX = 64, 48
ACCURATE = 0.95
_SPECIAL: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
_SHARED: dict[str, Any] = {
    **_SPECIAL,
    "vocab_size": D_VOCAB,
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "max_position_embeddings": N_CTX,
}
_GROUPED = {**_SHARED, "num_key_value_heads": 2, "head_dim": 16}
_GEMMA = {**_GROUPED, "initializer_range": 0.125}


@dataclass(frozen=True)
class Recipe:
    """How a model of the zoo is made.

    `data` is `repeat`: random segments of `min_period` to `max_period` tokens, repeated, or
    `markov`: a random first-order chain, which needs no attention. Without a larger
    `embedding_std` RMSNorm families drown their small embeddings in the first layer's writes, and
    learn induction only after some thousand steps.
    """

    model_type: str
    config: dict[str, Any]
    data: Literal["repeat", "markov"] = "repeat"
    min_period: int = 4
    max_period: int = 20
    embedding_std: float | None = None
    steps: int = 500
    batch: int = 32
    learning_rate: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    warmup: int = 30
    decay: float = 0.2
    """The share of steps at the end over which the learning rate falls to 0."""

    @property
    def sha256(self) -> str:
        """Identifies the recipe: the cache key of the model it makes."""
        return sha256_hex(json.dumps(asdict(self), sort_keys=True))


_GPT2 = Recipe(
    "gpt2",
    {
        **_SPECIAL,
        "vocab_size": D_VOCAB,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 8,
        "n_positions": N_CTX,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    steps=600,
)

RECIPES: dict[str, Recipe] = {
    "gpt2": _GPT2,
    "neox": Recipe("gpt_neox", _SHARED, steps=600),
    "llama": Recipe("llama", _SHARED, embedding_std=0.3, steps=600),
    "qwen2": Recipe("qwen2", _GROUPED, embedding_std=0.3, steps=400),
    "gemma2": Recipe("gemma2", {**_GEMMA, "query_pre_attn_scalar": 16}, steps=400),
    "gemma3": Recipe("gemma3_text", {**_GEMMA, "query_pre_attn_scalar": 4}, steps=400),
    "one-layer": replace(_GPT2, config={**_GPT2.config, "n_layer": 1}),
    "fixed-period": replace(_GPT2, min_period=12, max_period=12),
    "markov": replace(_GPT2, data="markov"),
    "smeared": replace(_GPT2, model_type="smeared", config={**_GPT2.config, "n_layer": 1}),
}
"""By the zoo's name of a family; a folder's `model_type` is the recipe's."""

CONTROLS = ("one-layer", "fixed-period", "markov")
"""These do not learn induction; the others must."""


def recipe_of(family: str) -> Recipe:
    """A family's recipe.

    Raises:
        SpecError: It is not in the zoo.
    """
    if family not in RECIPES:
        raise SpecError(f"family {family!r} is not in the zoo; expected {', '.join(RECIPES)}")
    return RECIPES[family]
