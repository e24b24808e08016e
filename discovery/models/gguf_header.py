"""What a GGUF file says before its weights: keys with values, tensors with shapes and places.

Read here rather than with the `gguf` package, which makes an array of every token's text: 60 s for
a vocabulary of 262,144. Lists are skipped where nobody asks for them.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph_schema.errors import ModelError
from graph_schema.printable import quoted

ALIGNMENT = "general.alignment"
LONGEST_LIST = 4096
"""Lists of more numbers, and all lists of text, are skipped: they are vocabularies."""
MOST_AXES = 8

# By the number that stands for a value's type: how struct unpacks it.
_SCALARS: dict[int, str] = dict(
    zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True)
)
_TEXT, _LIST = 8, 9
_FLOATS: dict[int, str] = {0: "<f4", 1: "<f2"}
"""By a tensor's type: how numpy reads it, of those that are not quantised."""


@dataclass(frozen=True)
class Skipped:
    """A list that was not read."""

    length: int

    def __str__(self) -> str:
        return f"a list of {self.length:,}"


@dataclass(frozen=True)
class TensorInfo:
    """A tensor's shape, rows first, its type by number, and where in the file it starts."""

    shape: tuple[int, ...]
    kind: int
    start: int


@dataclass(frozen=True)
class Header:
    """A file's keys and tensors."""

    path: Path
    values: dict[str, Any]
    tensors: dict[str, TensorInfo]

    @property
    def architecture(self) -> str:
        """Which family it says it is; the prefix of the keys that describe it."""
        return str(self.values.get("general.architecture", ""))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A small tensor of plain floats.

        Raises:
            ModelError: It is quantised.
        """
        tensor = self.tensors[name]
        if tensor.kind not in _FLOATS:
            raise ModelError(
                f"{self.path.name}: tensor {name!r} is quantised (type {tensor.kind}); expected "
                "plain floats: convert the model again"
            )
        count = math.prod(tensor.shape)
        found = np.fromfile(self.path, _FLOATS[tensor.kind], count, offset=tensor.start)
        return found.astype(np.float64)


def read_header(path: Path) -> Header:
    """The header of a GGUF file of version 2 or 3.

    Raises:
        ModelError: The file is not one, ends early, or is of another version or byte order.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Cursor(data).header(path)
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise ModelError(
            f"{path.name} is not a GGUF file that can be read ({error}); expected version 2 or 3, "
            "little-endian: fetch or convert it again"
        ) from error


class _Cursor:
    """A place in the file that moves on as values are read."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def header(self, path: Path) -> Header:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self._at = 4
        if (version := self._scalar("I")) not in (2, 3):
            raise ValueError(f"version {version}")
        n_tensors, n_keys = self._scalar("Q"), self._scalar("Q")
        values: dict[str, Any] = {}
        for _ in range(n_keys):
            name = self._new(values)
            values[name] = self._value(self._scalar("I"))
        found: dict[str, tuple[tuple[int, ...], int, int]] = {}
        for _ in range(n_tensors):
            name = self._new(found)
            found[name] = self._tensor()
        alignment = values.get(ALIGNMENT, 32)
        if type(alignment) is not int or alignment.bit_count() != 1:
            raise ValueError(f"{ALIGNMENT} is {quoted(alignment)}")
        first = -(-self._at // alignment) * alignment
        tensors = {
            name: TensorInfo(shape, kind, first + offset)
            for name, (shape, kind, offset) in found.items()
        }
        for name, tensor in tensors.items():
            size = math.prod(tensor.shape) * np.dtype(_FLOATS.get(tensor.kind, "u1")).itemsize
            # Of packed kinds a weight takes less than a byte, and how much less is the package's.
            end = tensor.start + (size if tensor.kind in _FLOATS else size // 16)
            if not 0 <= tensor.start <= end <= len(self._data):
                raise ValueError(f"tensor {quoted(name)} lies outside the file")
        return Header(path, values, tensors)

    def _new(self, names: Mapping[str, object]) -> str:
        if (name := self._text()) in names:
            raise ValueError(f"{quoted(name)} comes twice")
        return name

    def _tensor(self) -> tuple[tuple[int, ...], int, int]:
        if (n_axes := self._scalar("I")) > MOST_AXES:
            raise ValueError(f"a tensor of {n_axes:,} axes")
        sizes = [self._scalar("Q") for _ in range(n_axes)]
        return tuple(sizes[::-1]), self._scalar("I"), self._scalar("Q")

    def _scalar(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self._data, self._at)
        self._at += struct.calcsize(f"<{kind}")
        return value

    def _skip_text(self) -> None:
        self._skip(self._scalar("Q"))

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise ValueError("it ends early")

    def _text(self) -> str:
        start = self._at + 8
        self._skip_text()
        return self._data[start : self._at].decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self._text()
        if kind != _LIST:
            return self._scalar(_SCALARS[kind])
        inner, length = self._scalar("I"), self._scalar("Q")
        if inner == _TEXT:
            for _ in range(length):
                self._skip_text()
            return Skipped(length)
        if inner == _LIST:
            raise ValueError("a list of lists")
        if length <= LONGEST_LIST:
            return [self._scalar(_SCALARS[inner]) for _ in range(length)]
        self._skip(length * struct.calcsize(f"<{_SCALARS[inner]}"))
        return Skipped(length)
