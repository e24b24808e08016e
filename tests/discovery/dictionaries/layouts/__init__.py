"""Every format's files, written as their own tools write them, with the formula they stand for."""

from tests.discovery.dictionaries.layouts.base import (
    UNITS,
    Case,
    CrossLayer,
    D,
    normal,
    save,
    weights,
    write_json,
    write_yaml,
)
from tests.discovery.dictionaries.layouts.circuit_tracer import circuit_tracer, circuit_tracer_clt
from tests.discovery.dictionaries.layouts.gemma_scope import (
    gemma_scope_1,
    gemma_scope_2,
    gemma_scope_2_clt,
)
from tests.discovery.dictionaries.layouts.pickles import dictionary_learning, qwen_scope
from tests.discovery.dictionaries.layouts.saelens import (
    saelens,
    saelens_before_6,
    standard_sae,
)
from tests.discovery.dictionaries.layouts.sparsify import sparsify

__all__ = [
    "UNITS",
    "Case",
    "CrossLayer",
    "D",
    "circuit_tracer",
    "circuit_tracer_clt",
    "dictionary_learning",
    "gemma_scope_1",
    "gemma_scope_2",
    "gemma_scope_2_clt",
    "normal",
    "qwen_scope",
    "saelens",
    "saelens_before_6",
    "save",
    "sparsify",
    "standard_sae",
    "weights",
    "write_json",
    "write_yaml",
]
