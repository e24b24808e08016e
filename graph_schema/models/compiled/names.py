"""The names that a compiled case's files may use, and what is said of one that is near to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from graph_schema.errors import ModelError
from graph_schema.printable import quoted

MALFORMED = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    RecursionError,  # lists in lists in lists
)
"""What taking values out of JSON raises where others are there than a case has."""

MODEL = ("config", "vocab", "output")
CASE = (*MODEL, "pairs")
PAIR = ("clean", "corrupt", "clean_out", "corrupt_out")
OUTPUT = ("categorical", "values")
SIZES = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "d_vocab", "d_out", "n_ctx")
CONFIG = (*SIZES, "act", "causal", "layer_norm", "attn_scale", "all_biases_zero")
TRUTHS = ("static_interpbench", "weights_nonzero", "resample_", "zero_")
"""How a truth's name begins."""
KNOWN_TRUTHS = (
    *("static_interpbench", "weights_nonzero", "weights_nonzero_without_one_bos"),
    *("resample_minimal", "resample_necessary", "zero_minimal", "zero_necessary"),
)
_ALIASES = {
    **dict.fromkeys(("activation", "activation_function", "act_fn", "nonlinearity"), "act"),
    **dict.fromkeys(("is_causal", "autoregressive", "attention_dir"), "causal"),
    **dict.fromkeys(("n_layer", "num_layers", "num_hidden_layers", "layers"), "n_layers"),
    **dict.fromkeys(("n_head", "num_heads", "num_attention_heads", "heads"), "n_heads"),
    **dict.fromkeys(("normalization", "normalization_type", "layernorm"), "layer_norm"),
}
_NEAR = 0.8
"""How like a known key another must be (difflib's ratio) to be taken for a slip of it."""


def required(fields: Any, keys: Collection[str], what: str) -> None:
    """Refuse an object that is none, or lacks one of `keys`.

    Raises:
        ModelError: Names the key, and the one that may have been meant for it.
    """
    if not isinstance(fields, Mapping):
        raise ModelError(f"{what} is {quoted(fields)}; expected an object with {', '.join(keys)}")
    for key in keys:
        if key not in fields:
            others = [str(each) for each in fields if each not in keys]
            raise ModelError(f"{what} has no {key!r}{_meant(key, others)}")


def no_slips(fields: Iterable[str], keys: Collection[str], what: str) -> None:
    """Refuse a key that says what one of `keys` says under another name; others are notes.

    Raises:
        ModelError: Names the key and the known one.
    """
    for key in fields:
        if key in keys:
            continue
        near = _ALIASES.get(key.lower()) or next(
            iter(get_close_matches(key.lower(), keys, n=1, cutoff=_NEAR)), None
        )
        if near is not None and near in keys:
            raise ModelError(f"{what} has {quoted(key)}, which is not read; is it {near!r}?")


def near_truth(name: str) -> str:
    """A hint at the truth that a name may have been meant for."""
    near = get_close_matches(name, KNOWN_TRUTHS, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _meant(key: str, others: Collection[str]) -> str:
    near = get_close_matches(key, others, n=1, cutoff=0.6)
    if near:
        return f"; is {quoted(near[0])} meant for it?"
    listed = ", ".join(quoted(each) for each in sorted(others)[:8])
    return f"; found {listed}" if others else ""
