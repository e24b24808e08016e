"""Tensors of a `.pt` file, by torch's restricted reader alone: what needs code is refused."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from graph_schema.dictionaries.tensor_files import reading
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted


def pickled_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, mapped from it and not copied; single numbers as tensors.

    Raises:
        DictionaryError: It is no archive of `torch.save`, holds other than named tensors, or wants
            code to be run; nothing of it is.
    """
    with reading(file):
        if not zipfile.is_zipfile(file):
            raise DictionaryError(
                "it is no archive as torch.save writes since 1.6, but a plain pickle, which can "
                "run code; save it again, or convert it to safetensors"
            )
        with zipfile.ZipFile(file) as packed:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in packed.infolist()):
                raise DictionaryError("it is packed, which torch.save never does; save it again")
    try:
        found: object = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise DictionaryError(
            f"dictionary file {str(file)!r} holds more than tensors and is not read: whatever else "
            "a pickle holds can run code. Save its state_dict alone, or convert it to safetensors "
            f"({type(error).__name__})"
        ) from error
    if not isinstance(found, dict):
        raise DictionaryError(
            f"dictionary file {str(file)!r} holds a {type(found).__name__}; expected tensors by "
            "name"
        )
    return {str(name): _checked(file, str(name), each) for name, each in _items(found)}


def pickled_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of `pickled_tensors`."""
    return {name: tuple(tensor.shape) for name, tensor in pickled_tensors(file).items()}


def _items(found: dict[Any, Any]) -> list[tuple[object, object]]:
    return list(cast("dict[object, object]", found).items())


def _checked(file: Path, name: str, value: object) -> Tensor:
    if isinstance(value, int | float):
        return torch.tensor(value)
    if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized:
        raise DictionaryError(
            f"dictionary file {str(file)!r} holds {quoted(name)}, a {type(value).__name__}; "
            "expected tensors by name"
        )
    # A tensor of strides 0 says any size, and would take it once it is copied.
    if math.prod(value.shape) * value.element_size() > value.untyped_storage().nbytes():
        raise DictionaryError(
            f"dictionary file {str(file)!r}: {quoted(name)} has shape {tuple(value.shape)}, and "
            "the file holds fewer numbers"
        )
    return value
