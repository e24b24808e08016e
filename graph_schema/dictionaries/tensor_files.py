"""What a tensor file holds, told from its header alone: safetensors and npz.

Whoever made a file may mean harm. Sizes are asked of headers and held to the file's own size and to
bounds before anything is allocated; nothing is unpickled. `.pt` files have no header that can be
read without torch; `discovery.dictionaries.pickled` reads those, by torch's own restricted reader.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from numpy.lib import format as npy

from graph_schema.errors import CircuitServiceError, DictionaryError, ResourceError
from graph_schema.printable import quoted

MOST_HEADER_BYTES = 16 * 2**20
MOST_TENSORS = 4_096
MOST_RATIO = 20
"""Bytes of an array for each that is packed: weights are noise, and do not pack."""
FREE_BYTES = 2**20
"""Of arrays that may be packed as small as they go: biases of zero do pack."""
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_WHOLE = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
_SIZES = _FLOATS | _WHOLE


@dataclass(frozen=True)
class TensorHeader:
    """A tensor by its header; `start` is where it lies in a safetensors file, None in an npz."""

    shape: tuple[int, ...]
    dtype: str
    start: int | None = None

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * _SIZES[self.dtype]


def read_headers(file: Path) -> dict[str, TensorHeader]:
    """Every tensor of a file by its name.

    Raises:
        DictionaryError: It is neither safetensors nor npz, is damaged, or is made to do harm.
    """
    if file.suffix == ".npz":
        return npz_headers(file)
    if file.suffix == ".safetensors":
        return safetensors_headers(file)
    raise DictionaryError(
        f"dictionary file {str(file)!r} is no .safetensors or .npz file; others may hold code and "
        "are not read: convert it"
    )


def safetensors_headers(file: Path) -> dict[str, TensorHeader]:
    """`read_headers` of a safetensors file: tensors must fill it, one behind the other."""
    with reading(file), file.open("rb") as data:
        whole = file.stat().st_size
        size = int.from_bytes(data.read(8), "little")
        if size > min(MOST_HEADER_BYTES, whole - 8):
            raise DictionaryError(
                f"its header says that it has {size:,} bytes, the file has {whole:,}; expected at "
                f"most {MOST_HEADER_BYTES:,} in the file"
            )
        said = json.loads(data.read(size), object_pairs_hook=_no_twins)
        if not isinstance(said, dict):
            raise DictionaryError(f"its header is {quoted(said)}; expected an object")
        fields = cast("dict[str, Any]", said)
        fields.pop("__metadata__", None)
        if len(fields) > MOST_TENSORS:
            raise DictionaryError(f"it has {len(fields):,} tensors; expected a few a layer")
        found = {name: _stored(name, tensor, 8 + size) for name, tensor in fields.items()}
    end = 8 + size
    for name, tensor in sorted(found.items(), key=_order):
        if tensor.start != end:
            raise DictionaryError(
                f"dictionary file {str(file)!r}: tensor {quoted(name)} does not begin where the "
                "one before it ends; fetch the file again"
            )
        end += tensor.n_bytes
    if end != whole:
        raise DictionaryError(
            f"dictionary file {str(file)!r} has {whole:,} bytes, and its tensors end at {end:,}; "
            "it is torn or holds more than tensors: fetch it again"
        )
    return found


def _order(named: tuple[str, TensorHeader]) -> tuple[int, int]:
    return named[1].start or 0, named[1].n_bytes


def _stored(name: str, said: Any, offset: int) -> TensorHeader:
    dtype, shape, place = said["dtype"], said["shape"], said["data_offsets"]
    if dtype not in _SIZES:
        raise DictionaryError(
            f"tensor {quoted(name)} is of type {quoted(dtype)}; expected one of {', '.join(_SIZES)}"
        )
    for numbers in (shape, place):
        if not isinstance(numbers, list) or any(
            type(number) is not int or number < 0 for number in cast("list[object]", numbers)
        ):
            raise DictionaryError(f"tensor {quoted(name)} has sizes {quoted(numbers)}")
    start, end = place
    found = TensorHeader(tuple(shape), dtype, offset + start)
    if end - start != found.n_bytes:
        raise DictionaryError(
            f"tensor {quoted(name)} of shape {quoted(shape)} and type {dtype} says that it has "
            f"{end - start:,} bytes; expected {found.n_bytes:,}"
        )
    return found


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DictionaryError("its header names a tensor twice")
    return found


def npz_headers(file: Path) -> dict[str, TensorHeader]:
    """`read_headers` of an npz file, no array unpacked: one that packs too well is refused."""
    found: dict[str, TensorHeader] = {}
    with reading(file), file.open("rb") as data, zipfile.ZipFile(data) as packed:
        entries = packed.infolist()
        if len(entries) > MOST_TENSORS:
            raise DictionaryError(f"it has {len(entries):,} entries; expected a few arrays")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name in found:
                raise DictionaryError(f"it holds {quoted(name)} twice")
            with packed.open(entry) as array:
                header = _array(array, name)
                left = entry.file_size - array.tell()
            if header.n_bytes != left:
                raise DictionaryError(
                    f"array {quoted(name)} is torn: its header says {header.n_bytes:,} bytes, "
                    f"{left:,} follow"
                )
            if header.n_bytes > max(FREE_BYTES, MOST_RATIO * entry.compress_size):
                raise DictionaryError(
                    f"array {quoted(name)} is {header.n_bytes:,} bytes packed into "
                    f"{entry.compress_size:,}: no weights pack so well, and it is not unpacked"
                )
            found[name] = header
    return found


def _array(array: IO[bytes], name: str) -> TensorHeader:
    version = npy.read_magic(array)
    if version not in ((1, 0), (2, 0)):
        raise DictionaryError(f"array {quoted(name)} is of version {version}; expected numbers")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(array)
    kind = {"f": "F", "i": "I", "u": "U"}.get(dtype.kind)
    known = "BOOL" if dtype.kind == "b" else f"{kind}{8 * dtype.itemsize}"
    if dtype.hasobject or known not in _SIZES:
        raise DictionaryError(
            f"array {quoted(name)} holds {dtype}; expected numbers, and objects are not unpickled"
        )
    if any(length < 0 for length in shape):
        raise DictionaryError(f"array {quoted(name)} has shape {shape}; no length is under 0")
    return TensorHeader(tuple(shape), known)


def check_floats(file: Path, tensors: Mapping[str, TensorHeader]) -> None:
    """Refuse weights that are whole numbers: quantised ones would be read as they lie."""
    for name, tensor in tensors.items():
        if tensor.dtype not in _FLOATS:
            raise DictionaryError(
                f"dictionary file {str(file)!r}: {quoted(name)} is of type {tensor.dtype}; "
                "expected floating point: de-quantise it and save it again"
            )


@contextmanager
def reading(file: Path) -> Generator[None]:
    """Say which file it was; a damaged one ends in nearly any of Python's errors."""
    try:
        yield
    except CircuitServiceError as error:
        raise type(error)(f"dictionary file {str(file)!r}: {error}") from error
    except MemoryError as error:
        raise ResourceError(f"dictionary file {str(file)!r}: not enough memory") from error
    except Exception as error:
        raise DictionaryError(
            f"dictionary file {str(file)!r} cannot be read ({type(error).__name__}: {error}); "
            "expected a whole file as it was published: fetch it again"
        ) from error
