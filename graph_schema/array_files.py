"""Named arrays as the bytes of one safetensors file.

They are of numbers and of text: an array of text becomes UTF-8 bytes, named in the file's metadata.
Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from graph_schema.errors import DamagedError

TEXT = "text_arrays"


def encode(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays as one safetensors file; arrays of text must be one-dimensional."""
    tensors: dict[str, NDArray[Any]] = {}
    text: list[str] = []
    for name, array in arrays.items():
        if array.dtype.kind == "U":
            text.append(name)
            joined = json.dumps(array.tolist(), ensure_ascii=False, separators=(",", ":"))
            tensors[name] = np.frombuffer(joined.encode(), dtype=np.uint8)
        else:
            tensors[name] = np.ascontiguousarray(array)
    return save(tensors, metadata={TEXT: json.dumps(text)})


def decode(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `encode` made.

    Raises:
        DamagedError: It is no safetensors file.
    """
    try:
        tensors: dict[str, NDArray[Any]] = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        for name in json.loads(header.get("__metadata__", {}).get(TEXT, "[]")):
            tensors[name] = np.array(json.loads(tensors[name].tobytes()), dtype=np.str_)
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"an artifact is not a safetensors file of ours: {type(error).__name__}: {error}"
        ) from error
    return tensors
