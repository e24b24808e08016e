"""Rotary angles as a GGUF file states them, as the library's `rope_parameters`.

llama.cpp's conventions: no `rope.scaling.type` means linear; `rope_freqs.weight` holds the factors
that each frequency is divided by (Llama 3.1), `rope_factors_long.weight` and
`rope_factors_short.weight` those of longrope.
"""

from __future__ import annotations

import math
from typing import Any

from discovery.models.gguf_keys import Keys
from graph_schema.errors import ModelError

FREQS = "rope_freqs.weight"
LONG, SHORT = "rope_factors_long.weight", "rope_factors_short.weight"
READ = (FREQS, LONG, SHORT)
DEFAULT_BASE = 10_000.0
NESTED = ("full_attention", "sliding_attention")


def settle_rope(config: Any, keys: Keys, d_head: int) -> None:
    """Put what the file says of rotary angles into `config`.

    Raises:
        ModelError: It says what the library's model of this family cannot compute.
    """
    known: dict[str, Any] = config.rope_parameters
    nested = set(NESTED) <= set(known)
    found: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": keys.positive("rope.freq_base", DEFAULT_BASE),
        **_partial(config, keys, d_head),
    }
    found |= _scaling(config, keys, found)
    if not nested:
        keys.expect("rope.freq_base_swa", found["rope_theta"], "this family has one base")
        config.rope_parameters = found
        return
    local = {
        "rope_type": "default",
        "rope_theta": keys.positive("rope.freq_base_swa", DEFAULT_BASE),
    }
    config.rope_parameters = dict(zip(NESTED, (found, local), strict=True))


def _partial(config: Any, keys: Keys, d_head: int) -> dict[str, float]:
    """The share of a head that is rotated, of families that have one."""
    if config.model_type != "phi3":
        keys.expect("rope.dimension_count", d_head, "this family rotates whole heads")
        return {}
    n_rotary = keys.take("rope.dimension_count", d_head)
    if not 0 < n_rotary <= d_head:
        keys.refuse("rope.dimension_count", n_rotary, f"heads have {d_head} dimensions")
    share = n_rotary / d_head
    # The library multiplies and rounds down.
    while int(d_head * share) < n_rotary:
        share = math.nextafter(share, 2.0)
    return {"partial_rotary_factor": share}


def _scaling(config: Any, keys: Keys, plain: dict[str, Any]) -> dict[str, Any]:
    header = keys.header
    older = keys.positive("rope.scale_linear", 1.0)
    factor = keys.positive("rope.scaling.factor", older)
    kind = keys.take("rope.scaling.type", "linear")
    n_rotary = _n_rotary(keys, config, plain)
    original = keys.positive("rope.scaling.original_context_length", config.max_position_embeddings)
    if LONG in header.tensors or SHORT in header.tensors or kind == "longrope":
        return _longrope(config, keys, kind, n_rotary, original)
    if FREQS in header.tensors:
        if kind not in ("linear", "none"):
            keys.refuse("rope.scaling.type", kind, f"it has {FREQS} as well")
        by = factor if kind == "linear" else 1.0
        factors = [float(each) * by for each in header.numbers(FREQS)]
        return _by_factors(keys, FREQS, factors, factors, n_rotary) | {
            "original_max_position_embeddings": original,
            "factor": 1.0,
            "attention_factor": 1.0,
        }
    if kind == "none" or (kind == "linear" and factor == 1):
        return {}
    if kind == "linear":
        return {"rope_type": "linear", "factor": float(factor)}
    if kind == "yarn":
        return _yarn(keys, float(factor), original)
    return keys.refuse("rope.scaling.type", kind, "expected none, linear, yarn or longrope")


def _n_rotary(keys: Keys, config: Any, plain: dict[str, Any]) -> int:
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(d_head * plain.get("partial_rotary_factor", 1.0))


def _longrope(config: Any, keys: Keys, kind: str, n_rotary: int, original: int) -> dict[str, Any]:
    header = keys.header
    for name in (LONG, SHORT):
        if name not in header.tensors:
            raise ModelError(
                f"{header.path.name} scales its rotary angles by longrope and has no tensor "
                f"{name!r}; convert the model again"
            )
    if kind not in ("linear", "longrope"):
        keys.refuse("rope.scaling.type", kind, f"it has {LONG} as well")
    if hasattr(config, "original_max_position_embeddings"):
        config.original_max_position_embeddings = original
    long, short = ([float(each) for each in header.numbers(name)] for name in (LONG, SHORT))
    found = _by_factors(keys, LONG, long, short, n_rotary)
    found["original_max_position_embeddings"] = original
    if attention := keys.take("rope.scaling.attn_factor"):
        found["attention_factor"] = attention
    return found


def _by_factors(
    keys: Keys, name: str, long: list[float], short: list[float], n_rotary: int
) -> dict[str, Any]:
    if {len(long), len(short)} != {n_rotary // 2}:
        raise ModelError(
            f"{keys.header.path.name}: tensor {name!r} has {len(long)} factors; expected one for "
            f"each of {n_rotary // 2} frequencies: convert the model again"
        )
    for each in (*long, *short):
        if not (math.isfinite(each) and each > 0):
            raise ModelError(
                f"{keys.header.path.name}: tensor {name!r} has a factor of {each}; expected finite "
                "numbers above 0: convert the model again"
            )
    return {"rope_type": "longrope", "long_factor": long, "short_factor": short}


def _yarn(keys: Keys, factor: float, original: int) -> dict[str, Any]:
    """Peng et al. 2023, arXiv:2309.00071; the defaults of both libraries are the paper's."""
    found: dict[str, Any] = {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": original,
        "beta_fast": keys.positive("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": keys.positive("rope.scaling.yarn_beta_slow", 1.0),
    }
    if (times := keys.take("rope.scaling.attn_factor", 1.0)) not in (0, 1):
        found["attention_factor"] = times * (0.1 * math.log(factor) + 1.0)
    return found
