"""What a model's `config.json` says of its sizes, read without torch or transformers.

A circuit can be imported on a machine that could not run it. The adapters of `discovery.models` are
what defines a family; a test holds this reader to them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from graph_schema.documents import ModelDocument, ModelSource
from graph_schema.errors import ModelError
from graph_schema.models.compiled.files import is_compiled
from graph_schema.models.compiled.program import read_program
from graph_schema.models.files import CONFIG_FILE, read_json_text
from graph_schema.models.fingerprint import COMMIT, is_path
from graph_schema.models.hub import hub_errors
from graph_schema.models.layout import Layout
from graph_schema.printable import quoted
from graph_schema.private_files import expanded

ARCHITECTURES = {
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
    "gpt_neox": "GPTNeoXForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "smeared": "SmearedLMHeadModel",
}
"""The class that is loaded, by `model_type`: transformers', but `smeared`, which is our own."""

_KEYS = {
    "n_layers": ("num_hidden_layers", "n_layer"),
    "n_heads": ("num_attention_heads", "n_head"),
    "d_model": ("hidden_size", "n_embd"),
    "d_vocab": ("vocab_size",),
}
Json = dict[str, Any]


def read_model(source: ModelSource, fingerprint: str) -> ModelDocument:
    """The model that lies at `source`, as the graph knows models.

    Raises:
        ModelError: A GGUF file (whose sizes are in its weights), no configuration, one that cannot
            be read, or of a family without an adapter.
    """
    folder = expanded(source.name)
    if is_path(source.name) and is_compiled(folder):
        return read_program(folder).document(fingerprint, folder.name)
    file, name = _config_file(source, fingerprint)
    try:
        found = cast(object, json.loads(read_json_text(file)))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"model {source.name!r}: {file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"model {source.name!r}: {file} is not a JSON object")
    config = cast(Json, found)
    family = config.get("model_type")
    if not isinstance(family, str) or family not in ARCHITECTURES:
        raise ModelError(
            f"no adapter for model_type {quoted(family)}; expected one of "
            f"{', '.join(ARCHITECTURES)}. docs/add-a-model-family.md says how to write one"
        )
    sizes = {size: _size(config, keys, source) for size, keys in _KEYS.items()}
    n_layers, n_heads, d_model = sizes["n_layers"], sizes["n_heads"], sizes["d_model"]
    parallel = family == "gpt_neox" and bool(config.get("use_parallel_residual", True))
    gpt2 = family in ("gpt2", "smeared")
    default_mlp = ("n_inner",) if gpt2 else ("intermediate_size",)
    return ModelDocument(
        fingerprint=fingerprint,
        name=name,
        family=family,
        architecture=ARCHITECTURES[family],
        n_layers=n_layers,
        n_heads=n_heads,
        d_model=d_model,
        d_vocab=sizes["d_vocab"],
        n_kv_heads=_size(config, ("num_key_value_heads",), source, n_heads),
        d_head=_size(config, ("head_dim",), source, d_model // n_heads),
        d_mlp=_size(config, default_mlp, source, 4 * d_model if gpt2 else None),
        n_edges=Layout(n_layers, n_heads, parallel).n_edges,
    )


def _config_file(source: ModelSource, fingerprint: str) -> tuple[Path, str]:
    """The configuration, and what the model is called."""
    if not is_path(source.name):
        from huggingface_hub import hf_hub_download

        commit = fingerprint if COMMIT.fullmatch(fingerprint) else source.revision
        with hub_errors(source):
            return Path(hf_hub_download(source.name, CONFIG_FILE, revision=commit)), source.name
    path = expanded(source.name)
    if path.suffix == ".gguf":
        raise ModelError(
            f"model {source.name!r}: the sizes of a GGUF file are known once a job has run on it; "
            f"after that give the first digits of its fingerprint, {fingerprint[:12]}"
        )
    return path / CONFIG_FILE, path.name


def _size(
    config: Json, keys: tuple[str, ...], source: ModelSource, default: int | None = None
) -> int:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if value is not None:
            raise ModelError(
                f"model {source.name!r}: {key} is {quoted(value)} in {CONFIG_FILE}; expected "
                "a whole number above 0"
            )
    if default == 0:
        raise ModelError(
            f"model {source.name!r}: {CONFIG_FILE} has no {keys[0]}, and more heads than "
            "dimensions (hidden_size); put the right file there"
        )
    if default is None:
        raise ModelError(f"model {source.name!r}: {CONFIG_FILE} has no {' or '.join(keys)}")
    return default
