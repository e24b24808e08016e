"""The two files of a compiled program, each read only as far as its size was looked at.

`case.json` says what it is (configuration, vocabulary, outputs), `weights.npz` holds the arrays.
Whoever made the files may mean harm: nothing is unpickled, sizes are asked of the headers and held
to each other and to bounds before an array is unpacked, so that a file of kilobytes which says that
it holds terabytes costs nothing.
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

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from graph_schema.errors import CircuitServiceError, ModelError, ModelUnavailable, ResourceError
from graph_schema.printable import quoted

CASE_FILE = "case.json"
ARRAYS_FILE = "weights.npz"
CONFIG_FILE = "config.json"
"""Where it is too, the folder is one that transformers reads."""

MOST_CASE_BYTES = 64 * 2**20
MOST_ARRAY_BYTES = 2 * 2**30
"""Of all arrays unpacked: compiled programs are small, and a packed zero costs next to nothing."""
MOST_ARRAYS = 200_000
_NPY = ".npy"


@dataclass(frozen=True)
class StoredArray:
    """What an array's header says of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def is_compiled(folder: Path) -> bool:
    """Whether a folder is in the compiled format: one of its files, and no `config.json`."""
    there = any((folder / name).is_file() for name in (CASE_FILE, ARRAYS_FILE))
    return there and not (folder / CONFIG_FILE).is_file()


def compiled_files(folder: Path) -> dict[str, Path]:
    """Both files, by name.

    Raises:
        ModelError: One is not there.
    """
    files = {name: folder / name for name in (CASE_FILE, ARRAYS_FILE)}
    for name, file in files.items():
        if not file.is_file():
            raise ModelError(
                f"model folder {str(folder)!r} lacks {name}; a compiled program is {ARRAYS_FILE} "
                f"with its {CASE_FILE}"
            )
    return files


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelUnavailable: The machine does not give the file.
        ModelError: It is too large, or no JSON object.
    """
    with reading(file, "a JSON object"):
        if (size := file.stat().st_size) > MOST_CASE_BYTES:
            raise ModelError(f"it has {size:,} bytes; expected at most {MOST_CASE_BYTES:,}")
        found = cast(object, json.loads(file.read_text(encoding="utf-8")))
        if not isinstance(found, dict):
            raise ModelError(f"it holds {quoted(found)}; expected an object")
        return cast("dict[str, Any]", found)


def stored_arrays(file: Path) -> dict[str, StoredArray]:
    """Shape and type of every array in an npz file, by name; no array is unpacked.

    Raises:
        ModelUnavailable: The machine does not give the file.
        ModelError: It is no npz file of numbers, or its arrays are larger than is read.
    """
    with reading(file, "an array a weight"), file.open("rb") as data:
        with zipfile.ZipFile(data) as packed:
            found: dict[str, StoredArray] = {}
            entries = packed.infolist()
            if len(entries) > MOST_ARRAYS:
                raise ModelError(f"it has {len(entries):,} entries; expected an array a weight")
            for entry in entries:
                name = entry.filename.removesuffix(_NPY)
                if name in found:
                    raise ModelError(f"it holds {quoted(name)} twice")
                with packed.open(entry) as array:
                    stored = _header(array, name)
                    left = entry.file_size - array.tell()
                if stored.n_bytes != left:
                    raise ModelError(
                        f"weight {quoted(name)} is torn: its header says {stored.n_bytes:,} bytes, "
                        f"{left:,} follow"
                    )
                found[name] = stored
        total = sum(array.n_bytes for array in found.values())
        if total > MOST_ARRAY_BYTES:
            raise ModelError(
                f"its arrays are {total:,} bytes unpacked; expected at most {MOST_ARRAY_BYTES:,}"
            )
    return found


def read_arrays(file: Path, stored: Mapping[str, StoredArray]) -> dict[str, NDArray[Any]]:
    """The arrays of which `stored_arrays` said the sizes.

    Raises:
        ModelUnavailable: The machine does not give the file.
        ModelError: The file is damaged, or another than its headers were read of.
    """
    with (
        reading(file, "an array a weight"),
        file.open("rb") as data,
        zipfile.ZipFile(data) as packed,
    ):
        found: dict[str, NDArray[Any]] = {}
        for name, said in stored.items():
            with packed.open(name + _NPY) as array:
                if _header(array, name) != said:
                    raise ModelError("it was written over while it was read; try again")
            with packed.open(name + _NPY) as array:
                found[name] = npy.read_array(array, allow_pickle=False)
                array.read()  # to the end, where the checksum is compared
    return found


def _header(array: IO[bytes], name: str) -> StoredArray:
    version = npy.read_magic(array)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(array)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(array)
    else:  # which only arrays with named fields need
        raise ModelError(f"weight {quoted(name)} holds other than finite numbers")
    if dtype.kind not in "fiub":
        raise ModelError(f"weight {quoted(name)} holds other than finite numbers ({dtype})")
    if any(length < 0 for length in shape):
        raise ModelError(f"weight {quoted(name)} has shape {shape}; no length is under 0")
    return StoredArray(shape, dtype)


@contextmanager
def reading(file: Path, expected: str) -> Generator[None]:
    """Say which file it was; a damaged one ends in nearly any of Python's errors."""
    try:
        yield
    except CircuitServiceError as error:
        raise type(error)(f"compiled case file {str(file)!r}: {error}") from error
    except MemoryError as error:
        raise ResourceError(f"compiled case file {str(file)!r}: not enough memory") from error
    except Exception as error:
        kind: type[ModelError] = ModelError
        if isinstance(error, OSError) and error.errno is not None:
            kind = ModelUnavailable
        raise kind(
            f"compiled case file {str(file)!r} cannot be read ({type(error).__name__}: {error}); "
            f"expected {expected}"
        ) from error
