"""What a model's weights are, wherever and however they lie: one hash of names, shapes and values.

Two fingerprints with one `weights_sha256` are one model: the hub's commit and a folder of the same
weights, a commit that changed the README, another way of sharding. Decided here:

- **Sharding** does not count: tensors go by name, whatever file they are in.
- **Tied weights** count once, under the name the model keeps them by; what a file holds beside the
  model's own parameters (masks, counters) does not count. The caller says which names these are.
- **Prefix**: `transformer.wte.weight` and `wte.weight` are one name where the model's base has that
  prefix, as it is left out of files saved from the base alone.
- **Type**: half precision is widened to float32, which loses nothing, so that a lossless copy in a
  wider type is the same model. Weights rounded to a narrower one are another model: they compute
  other numbers. In which type a job runs does not matter.
- Configuration and tokenizer are no weights: they are in the fingerprint alone.

Files are read as they lie, once, without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graph_schema.errors import ModelError
from graph_schema.printable import quoted

HEADER_LIMIT = 100 * 2**20
BLOCK = 4 * 2**20
"""Bytes hashed at a time; a multiple of every type's size."""

_NO_HEADER = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
"""What reading one ends in that is none; JSON knows infinity, which is no place."""


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a safetensors file; its type by the format's name."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def weights_sha256(
    files: Iterable[Path],
    counts: Callable[[str], str | None] = lambda name: name,
    *,
    complete: Set[str] = frozenset(),
) -> str:
    """SHA-256 over the tensors of safetensors files, in the order of their names.

    Args:
        files: All shards of one model.
        counts: The model's name for a tensor, by that in the file; None where it does not count.
        complete: All names of the model. Where a file spells some otherwise, all that it holds
            counts, by the file's names.

    Raises:
        ModelError: A file is no safetensors file.
    """
    stored: dict[str, StoredTensor] = {}
    for file in files:
        stored |= _header(file)
    found: dict[str, StoredTensor] = {}
    for name, tensor in stored.items():
        own = counts(name)
        # Of tied ones that a file holds twice the model reads the one that has its name.
        if own is not None and (own not in found or own.endswith(name)):
            found[own] = tensor
    if complete - found.keys():
        found = stored
    return combined((name, found[name].shape, tensor_sha256(found[name])) for name in sorted(found))


def combined(tensors: Iterable[tuple[str, tuple[int, ...], str]]) -> str:
    """SHA-256 over names, shapes and the hashes of values, in the order of names."""
    lines = (f"{name} {'x'.join(map(str, shape))} {value}" for name, shape, value in tensors)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def tensor_sha256(tensor: StoredTensor) -> str:
    """SHA-256 of a tensor's values, little-endian and in order, half precision widened."""
    name = "F32" if tensor.dtype in ("F16", "BF16") else tensor.dtype
    digest = hashlib.sha256(f"{name} ".encode())
    with tensor.file.open("rb") as data:
        data.seek(tensor.start)
        left = tensor.size
        while left:
            block = data.read(min(left, BLOCK))
            if not block:
                raise ModelError(f"weights {str(tensor.file)!r} end too early; fetch them again")
            left -= len(block)
            digest.update(_widened(block, tensor.dtype))
    return digest.hexdigest()


def _widened(block: bytes, dtype: str) -> bytes | memoryview:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(block, "<u2").astype("<u4") << 16).tobytes()
    if dtype == "F16":
        return np.frombuffer(block, "<f2").astype("<f4").tobytes()
    return block


def _header(file: Path) -> Mapping[str, StoredTensor]:
    try:
        with file.open("rb") as data:
            size = int.from_bytes(data.read(8), "little")
            if size > HEADER_LIMIT:
                raise ValueError(f"a header of {size:,} bytes")
            fields = json.loads(data.read(size))
            whole = file.stat().st_size
        found: dict[str, StoredTensor] = {}
        for name, said in fields.items():
            if name != "__metadata__":
                start, end = map(int, said["data_offsets"])
                shape = tuple(int(length) for length in said["shape"])
                if not 0 <= start <= end <= whole - 8 - size:
                    raise ValueError(f"{quoted(name)} lies at {start} to {end}, outside of it")
                place = 8 + size + start
                found[name] = StoredTensor(file, said["dtype"], shape, place, end - start)
        return found
    except _NO_HEADER as error:
        raise ModelError(
            f"weights {str(file)!r} are no safetensors file: {error}; fetch them again"
        ) from error
