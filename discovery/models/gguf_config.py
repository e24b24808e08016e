"""A GGUF file's configuration, settled by what the file says: every key and tensor, or not at all.

The library's own reading (sizes, special tokens) is the start; its defaults are one checkpoint's
and stand where the file has another value under a key that it passes over.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModelForCausalLM

from discovery.models.gguf_header import Header
from discovery.models.gguf_keys import Keys
from discovery.models.gguf_rope import READ, settle_rope
from graph_schema.errors import ModelError

SIZES = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "vocab_size": "vocab_size",
}
GPT2_SIZES = {
    "context_length": "n_positions",
    "block_count": "n_layer",
    "embedding_length": "n_embd",
    "feed_forward_length": "n_inner",
    "attention.head_count": "n_head",
    "attention.layer_norm_epsilon": "layer_norm_epsilon",
    "vocab_size": "vocab_size",
}
WINDOWED_EVERYWHERE = ("mistral", "phi3")
WINDOWED_SOMEWHERE = ("gemma2", "gemma3_text")
CAPS: dict[str, tuple[str, ...]] = {
    "gemma2": ("attn_logit_softcapping", "final_logit_softcapping"),
    "gemma3_text": ("final_logit_softcapping",),
}
# The 27B models divide queries by another number than their head size, and say it by their depth.
LARGE_GEMMAS = {("gemma2", 46), ("gemma3_text", 62)}


def settle(config: Any, header: Header) -> tuple[str, ...]:
    """Put everything that the file says into `config`; what is worth a note.

    Raises:
        ModelError: A key or a tensor of the file is not read; the message names it.
    """
    keys = Keys(header)
    for key, name in (GPT2_SIZES if config.model_type == "gpt2" else SIZES).items():
        if (value := keys.take(key)) is None:
            continue
        if isinstance(value, list):
            value = _same(keys, key, cast("list[Any]", value))
        if getattr(config, name, None) != value:
            _put(config, keys, key, name, value)
    if "tokenizer.ggml.padding_token_id" not in header.values:
        config.pad_token_id = None  # the default is of another vocabulary
    notes: tuple[str, ...] = ()
    if config.model_type == "gpt2":
        keys.expect("attention.head_count_kv", config.n_head, "every head has its own keys")
    else:
        d_head = _head_size(config, keys)
        settle_rope(config, keys, d_head)
        notes = _scale(config, keys, d_head)
    _windows(config, keys)
    _caps(config, keys)
    _biases(config, header)
    keys.finish()
    _check_tensors(config, header)
    return notes


def _put(config: Any, keys: Keys, key: str, name: str, value: Any) -> None:
    try:
        setattr(config, name, value)
    except (StrictDataclassError, TypeError, ValueError) as error:
        keys.refuse(key, value, f"{type(config).__name__} takes no such {name} ({error})")


def _same(keys: Keys, key: str, values: list[Any]) -> Any:
    """The one value of a list by layer."""
    if len(set(values)) != 1:
        keys.refuse(key, values, "expected one value for all layers")
    return values[0]


def _head_size(config: Any, keys: Keys) -> int:
    """`d_head`, from its key, or from the queries' projection, or as a part of `d_model`."""
    even = config.hidden_size // config.num_attention_heads
    tensor = keys.header.tensors.get("blk.0.attn_q.weight")
    stated = even if tensor is None else tensor.shape[0] // config.num_attention_heads
    d_head = keys.take("attention.key_length", stated)
    if not hasattr(config, "head_dim"):
        if d_head != even:
            keys.refuse("attention.key_length", d_head, f"this family has {even}")
    elif (config.head_dim or even) != d_head:
        config.head_dim = d_head
    keys.expect("attention.value_length", d_head, "values are as long as keys")
    return d_head


def _scale(config: Any, keys: Keys, d_head: int) -> tuple[str, ...]:
    """What queries are divided by the root of."""
    stated = keys.take("attention.scale", 0)
    if config.model_type not in WINDOWED_SOMEWHERE:
        if stated and not math.isclose(stated, d_head**-0.5, rel_tol=1e-5):
            keys.refuse("attention.scale", stated, f"this family has {d_head**-0.5:.6g}")
        return ()
    if stated:
        if not math.isclose(stated**-2, whole := round(stated**-2), rel_tol=1e-5):
            keys.refuse("attention.scale", stated, "expected 1 over the root of a whole number")
        config.query_pre_attn_scalar = whole
    elif (config.model_type, config.num_hidden_layers) in LARGE_GEMMAS:
        config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads
    elif config.query_pre_attn_scalar != d_head:
        return (
            f"the GGUF file does not say what attention scores are scaled by: the root of "
            f"{config.query_pre_attn_scalar} was taken, the family's default, though its heads "
            f"have {d_head} dimensions",
        )
    return ()


def _windows(config: Any, keys: Keys) -> None:
    window = keys.take("attention.sliding_window", 0)
    pattern = keys.take("attention.sliding_window_pattern")
    if config.model_type in WINDOWED_SOMEWHERE:
        if window:
            _put(config, keys, "attention.sliding_window", "sliding_window", window)
        if pattern is not None:
            config.layer_types = _layer_types(config, keys, pattern)
        return
    if pattern is not None:
        keys.refuse("attention.sliding_window_pattern", pattern, "this family has none")
    if config.model_type in WINDOWED_EVERYWHERE:
        _put(config, keys, "attention.sliding_window", "sliding_window", window or None)
    elif window and window < config.max_position_embeddings:
        keys.refuse("attention.sliding_window", window, "this family has none")


def _layer_types(config: Any, keys: Keys, pattern: Any) -> list[str]:
    """Which layers look through a window: all but each n-th, or those that a list marks."""
    n_layers = config.num_hidden_layers
    if isinstance(pattern, list):
        marks = [bool(mark) for mark in cast("list[Any]", pattern)]
    else:
        marks = [bool((layer + 1) % pattern) if pattern else False for layer in range(n_layers)]
    if len(marks) != n_layers:
        keys.refuse("attention.sliding_window_pattern", pattern, f"there are {n_layers} layers")
    return ["sliding_attention" if mark else "full_attention" for mark in marks]


def _caps(config: Any, keys: Keys) -> None:
    """Soft caps, in families that have them; elsewhere a cap that is not 0 is left and refused."""
    for name in CAPS.get(config.model_type, ()):
        if (cap := keys.take(name)) is not None:
            _put(config, keys, name, name, cap or None)


def _biases(config: Any, header: Header) -> None:
    """Biases that a family has on request."""
    for tensor, name in (("attn_output", "attention_bias"), ("ffn_down", "mlp_bias")):
        if f"blk.0.{tensor}.bias" in header.tensors and hasattr(config, name):
            setattr(config, name, True)


def _check_tensors(config: Any, header: Header) -> None:
    """Refuse tensors that no weight of the model is read from."""
    import gguf

    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[header.architecture], config.num_hidden_layers)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    read: set[str] = set(READ)
    for weight in model.state_dict():
        stem, _, suffix = weight.rpartition(".")
        if (found := names.get_name(stem)) is not None:
            read.add(f"{found}.{suffix}")
    if unread := [name for name in header.tensors if name not in read]:
        raise ModelError(
            f"{header.path.name}: tensor {unread[0]!r}"
            + (f" and {len(unread) - 1} more" if len(unread) > 1 else "")
            + f" would not be read into {type(model).__name__}; the model computes something else "
            "with it. Use the model that the file was made from"
        )
