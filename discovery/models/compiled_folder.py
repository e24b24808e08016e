"""A compiled program's folder as an adapter."""

from __future__ import annotations

from pathlib import Path

import torch

from discovery.models.compiled import CompiledAdapter
from discovery.models.inspecting import DTYPES, placed
from graph_schema.documents import ModelSource
from graph_schema.errors import NonFiniteWeightsError
from graph_schema.models.compiled.program import (
    CompiledProgram,
    compiled_weights_sha256,
    read_weights,
)


def read_compiled(
    source: ModelSource, folder: Path, program: CompiledProgram, dtype: str, device: str
) -> tuple[CompiledAdapter, str]:
    """The program with its weights, and the hash of these.

    Raises:
        ModelError: The weights are damaged, or an activation is not known.
        NonFiniteWeightsError: A weight is NaN or infinite, in the file or in `dtype`.
        ResourceError: Not enough memory; the device is missing or full.
    """
    weights = read_weights(folder, program)
    for name, value in weights.items():
        if value.size and float(abs(value).max()) > torch.finfo(DTYPES[dtype]).max:
            raise NonFiniteWeightsError(
                f"model {source.name!r}: weight {name!r} is infinite in {dtype}: use dtype "
                "bfloat16 or float32"
            )
    with placed(source, device):
        adapter = CompiledAdapter(weights, program.config, dtype=DTYPES[dtype], device=device)
    return adapter, compiled_weights_sha256(weights)
