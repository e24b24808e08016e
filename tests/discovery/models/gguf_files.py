"""Tiny models written as GGUF files, with whatever keys and tensors a test asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from numpy.typing import NDArray

Array = NDArray[Any]
SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GPT2: dict[str, Any] = {
    "vocab_size": 61,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
CONFIGS: dict[str, Any] = {
    "llama": transformers.LlamaConfig,
    "qwen2": transformers.Qwen2Config,
    "qwen3": transformers.Qwen3Config,
    "gemma2": transformers.Gemma2Config,
    "gemma3": transformers.Gemma3TextConfig,
    "phi3": transformers.Phi3Config,
    "gpt2": transformers.GPT2Config,
}


def random_model(architecture: str, **changes: Any) -> Any:
    """A seeded model of the architecture with `changes` in its configuration."""
    sizes = GPT2 if architecture == "gpt2" else SIZES
    if architecture in ("qwen3", "gemma2", "gemma3"):
        sizes = {**sizes, "head_dim": 8}
    config = CONFIGS[architecture](**{**sizes, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            centre = 1.0 if weight.ndim == 1 and bool((weight == 1).all()) else 0.0
            weight.normal_(centre, 0.3, generator=generator)
    return model.eval()


def write_gguf(
    model: Any,
    file: Path,
    architecture: str,
    keys: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Array] | None = None,
) -> Path:
    """The model as llama.cpp's converter would write it, with `keys` and `tensors` on top.

    A key of None is left out. Keys are the architecture's own unless they hold its prefix.
    """
    writer = gguf.GGUFWriter(str(file), architecture)
    for key, value in {**_keys(model.config, architecture), **(keys or {})}.items():
        name = key if key.startswith(("general.", "adapter.")) else f"{architecture}.{key}"
        _add(writer, name, value)
    letters = map(chr, range(33, 31 + model.config.vocab_size - 1))
    tokens = ["<s>", "</s>", *letters, '!"']
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    writer.add_token_merges(['! "'])
    for name, array in {**_tensors(model, architecture), **(tensors or {})}.items():
        writer.add_tensor(name, np.ascontiguousarray(array, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def _keys(config: Any, architecture: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "context_length": config.max_position_embeddings,
        "block_count": config.num_hidden_layers,
        "embedding_length": config.hidden_size,
        "attention.head_count": config.num_attention_heads,
    }
    if architecture == "gpt2":
        return found | {"attention.layer_norm_epsilon": config.layer_norm_epsilon}
    d_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    return found | {
        "feed_forward_length": config.intermediate_size,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.key_length": d_head,
        "attention.value_length": d_head,
        "rope.dimension_count": d_head,
        "rope.freq_base": float(rope.get("full_attention", rope)["rope_theta"]),
    }


def _tensors(model: Any, architecture: str) -> dict[str, Array]:
    """Weights under the format's names, laid out as the converter lays them out."""
    config, found = model.config, dict[str, Array]()
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[architecture], config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, _, suffix = name.rpartition(".")
        array = weight.float().numpy()
        if architecture == "llama" and stem.endswith(("q_proj", "k_proj")):
            heads = config.num_attention_heads
            heads = heads if stem.endswith("q_proj") else config.num_key_value_heads
            halves = array.reshape(heads, 2, -1, *array.shape[1:])
            array = halves.swapaxes(1, 2).reshape(array.shape)
        elif architecture.startswith("gemma") and "norm" in stem:
            array = array + 1
        elif architecture == "gpt2" and array.ndim == 2 and ".h." in stem:
            array = array.T
        found[f"{names.get_name(stem)}.{suffix}"] = array
    return found
