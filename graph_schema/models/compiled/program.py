"""What is known of a compiled program before its weights are read, and what the graph keeps of it.

Sizes are those of the arrays, which the configuration may repeat and must not contradict.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents import ModelDocument
from graph_schema.errors import ModelError, NonFiniteWeightsError
from graph_schema.models.compiled.config import read_config, read_vocabulary
from graph_schema.models.compiled.files import (
    ARRAYS_FILE,
    CASE_FILE,
    StoredArray,
    compiled_files,
    read_arrays,
    read_json,
    reading,
    stored_arrays,
)
from graph_schema.models.compiled.names import MODEL, required
from graph_schema.models.compiled.outputs import Outputs
from graph_schema.models.compiled.weights import check_shapes
from graph_schema.models.layout import Layout
from graph_schema.models.weights import combined
from graph_schema.printable import quoted

FAMILY = "compiled"
MOST_HEADS = 10_000
"""In all layers. The graph grows with their square, and nobody compiles a program of so many."""


@dataclass(frozen=True)
class CompiledProgram:
    """A program's configuration, vocabulary and outputs, and the shapes of its weights.

    `vocabulary` is token → id. `bos` and `pad` are ids, where the file names such tokens.
    """

    config: Mapping[str, Any]
    vocabulary: Mapping[str, int]
    outputs: Outputs
    arrays: Mapping[str, StoredArray]
    bos: int | None = None
    pad: int | None = None
    model_type: ClassVar[str] = FAMILY

    def _length(self, name: str, axis: int) -> int:
        return self.arrays[name].shape[axis]

    @property
    def n_layers(self) -> int:
        return int(self.config["n_layers"])

    @property
    def n_heads(self) -> int:
        return self._length("L0.W_Q", 0)

    @property
    def d_model(self) -> int:
        return self._length("W_E", 1)

    @property
    def d_head(self) -> int:
        return self._length("L0.W_Q", 2)

    @property
    def d_mlp(self) -> int:
        return self._length("L0.W_in", 1)

    @property
    def d_vocab(self) -> int:
        return self._length("W_E", 0)

    @property
    def d_out(self) -> int:
        """How many outputs there are: the columns of `W_U`."""
        return self._length("W_U", 1)

    @property
    def n_ctx(self) -> int:
        """The longest prompt: the rows of `W_pos`."""
        return self._length("W_pos", 0)

    @property
    def n_weights(self) -> int:
        return sum(math.prod(array.shape) for array in self.arrays.values())

    @property
    def n_edges(self) -> int:
        return Layout(self.n_layers, self.n_heads, split_embed=True).n_edges

    def document(self, fingerprint: str, name: str) -> ModelDocument:
        """The model as the graph knows models."""
        return ModelDocument(
            fingerprint=fingerprint,
            name=name,
            family=FAMILY,
            architecture="CompiledProgram",
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.n_heads,
            d_model=self.d_model,
            d_head=self.d_head,
            d_mlp=self.d_mlp,
            d_vocab=self.d_vocab,
            n_edges=self.n_edges,
            weights="npz",
        )


def read_program(folder: Path) -> CompiledProgram:
    """The program in a folder; its weights are looked at, not unpacked.

    Raises:
        ModelUnavailable: The machine does not give a file.
        ModelError: A file or a key is missing, or what stands there does not fit together.
    """
    files = compiled_files(folder)
    case = read_json(files[CASE_FILE])
    with reading(files[CASE_FILE], "config, vocab and output"):
        required(case, MODEL, "the case")
        config, outputs = read_config(case["config"]), Outputs.of(case["output"])
        vocabulary = read_vocabulary(case["vocab"])
    arrays = stored_arrays(files[ARRAYS_FILE])
    with reading(files[ARRAYS_FILE], "an array a weight"):
        check_shapes({name: array.shape for name, array in arrays.items()}, config)
        special = {key: _special(case.get(key), vocabulary) for key in ("bos", "pad")}
        program = CompiledProgram(config, vocabulary, outputs, arrays, **special)
        if program.n_layers * program.n_heads > MOST_HEADS:
            raise ModelError(
                f"it has {program.n_layers:,} layers of {program.n_heads:,} heads; expected at "
                f"most {MOST_HEADS:,} heads in all"
            )
    with reading(files[CASE_FILE], "config, vocab and output"):
        outputs.check_columns(program.d_out)
        for token, number in vocabulary.items():
            if number >= program.d_vocab:
                raise ModelError(
                    f"token {quoted(token)} has id {number}, and W_E {program.d_vocab} rows"
                )
    return program


def _special(said: object, vocabulary: Mapping[str, int]) -> int | None:
    """The id of a token that the case names, with a remark behind it or without."""
    if not isinstance(said, str) or not said.strip():
        return None
    return vocabulary.get(said, vocabulary.get(said.split()[0]))


def read_weights(folder: Path, program: CompiledProgram) -> dict[str, NDArray[Any]]:
    """The program's weights by name.

    Raises:
        ModelUnavailable: The machine does not give the file.
        ModelError: It is damaged, or another than the program was read from.
        NonFiniteWeightsError: A weight is NaN or infinite.
    """
    file = compiled_files(folder)[ARRAYS_FILE]
    found = read_arrays(file, program.arrays)
    for name, array in found.items():
        if bad := array.size - int(np.isfinite(array).sum()):
            raise NonFiniteWeightsError(
                f"compiled case file {str(file)!r}: weight {name!r} has {bad} values that are NaN "
                f"or infinite of {array.size}; compile the program again"
            )
    return found


def compiled_weights_sha256(weights: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, shapes and values; a bias of zeros is as one that is not there.

    By the rules of `graph_schema.models.weights`: half precision is widened to float32; whole
    numbers are as the float64 that is computed with.
    """
    counted: list[tuple[str, tuple[int, ...], str]] = []
    for name in sorted(weights):
        value = weights[name]
        if name.rpartition(".")[2].startswith("b_") and not value.any():
            continue
        single = value.dtype.kind == "f" and value.dtype.itemsize <= 4
        stored = np.ascontiguousarray(value, "<f4" if single else "<f8")
        digest = hashlib.sha256(b"F32 " if single else b"F64 ")
        digest.update(stored.tobytes())
        counted.append((name, value.shape, digest.hexdigest()))
    return combined(counted)
