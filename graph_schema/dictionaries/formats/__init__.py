"""One reader a file format: what the files are of, told without loading them."""

from __future__ import annotations

from types import ModuleType

from graph_schema.dictionaries.formats import (
    circuit_tracer,
    dictionary_learning,
    gemma_scope_1,
    gemma_scope_2,
    qwen_scope,
    saelens,
    sparsify,
)

READERS: dict[str, ModuleType] = {
    reader.NAME: reader
    for reader in (
        gemma_scope_2,
        gemma_scope_1,
        saelens,
        circuit_tracer,
        sparsify,
        dictionary_learning,
        qwen_scope,
    )
}

__all__ = ["READERS"]
