"""The hash of the weights that a model was loaded from.

What it means is said in `graph_schema.models.weights`.

Which tensors count, and under which names, only the loaded model says: its parameters and kept
buffers, tied ones once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from discovery.models.inspecting import Place
from graph_schema.models.weights import combined, weights_sha256

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def loaded_weights(model: Any, place: Place) -> str:
    """SHA-256 over the tensors in the files that `model` was read from: names, shapes and values.

    Raises:
        ModelError: A file is no safetensors file.
    """
    if place.gguf is not None:
        return _gguf_weights(place.folder / place.gguf)
    files = _files(place.folder)
    return weights_sha256(files, _names(model), complete=set(_own(model)))


def _files(folder: Path) -> list[Path]:
    """The files that transformers reads: one, or what the index names."""
    if (folder / WHOLE).is_file() or not (folder / INDEX).is_file():
        return [folder / WHOLE]
    shards = json.loads((folder / INDEX).read_text())["weight_map"].values()
    return [folder / name for name in sorted(set(shards))]


def _own(model: Any) -> list[str]:
    """The names of parameters, tied ones once, and of the buffers that are kept in files."""
    parameters = [name for name, _ in model.named_parameters()]
    kept = set(model.state_dict())
    return parameters + [name for name, _ in model.named_buffers() if name in kept]


def _names(model: Any) -> Callable[[str], str | None]:
    own, tied = set(_own(model)), dict(model.all_tied_weights_keys)
    prefix = f"{model.base_model_prefix}."

    def counts(name: str) -> str | None:
        for full in (name, prefix + name):
            full = tied.get(full, full)
            if full in own:
                return full
        return None

    return counts


def _gguf_weights(file: Path) -> str:
    """The same over a GGUF file's tensors, as packed: another packing rounds otherwise."""
    from gguf import GGUFReader

    tensors = sorted(GGUFReader(str(file)).tensors, key=lambda tensor: tensor.name)
    return combined(
        (
            tensor.name,
            tuple(int(length) for length in tensor.shape),
            hashlib.sha256(tensor.tensor_type.name.encode() + tensor.data.tobytes()).hexdigest(),
        )
        for tensor in tensors
    )
