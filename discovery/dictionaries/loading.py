"""Dictionaries for a model: described, held to the model and to each other, loaded."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from discovery.dictionaries.building import build, stored_tensors
from discovery.dictionaries.checks import Loaded
from discovery.dictionaries.pickled import pickled_shapes
from graph_schema.dictionaries import (
    Described,
    check_distinct,
    check_fit,
    check_spliceable,
    describe,
    document_of,
)
from graph_schema.dictionaries.fitting import Sizes
from graph_schema.documents.dictionary import DictionarySource


def describe_all(
    sources: Iterable[DictionarySource],
    model: Sizes,
    name: str = "the model",
    *,
    splice: bool = True,
) -> tuple[Described, ...]:
    """What the sources hold, checked against the model and each other; nothing is loaded.

    Args:
        splice: They are to be spliced in, which those of the residual stream cannot be.

    Raises:
        DictionaryError: A file that cannot be read, does not fit, or two to one site.
    """
    found: list[Described] = []
    for source in sources:
        found += describe(source, pickled=pickled_shapes)
    for each in found:
        check_fit(each, model, name)
        if splice:
            check_spliceable(each)
    check_distinct(found)
    return tuple(found)


def load(
    found: Iterable[Described],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[Loaded, ...]:
    """The dictionaries with their tensors and identities.

    Raises:
        DictionaryError: A file is gone or damaged.
        NonFiniteWeightsError: A weight is NaN or infinite.
    """
    loaded: list[Loaded] = []
    for each in found:
        tensors = stored_tensors(each, dtype, device)
        loaded.append(Loaded(build(each, tensors, document_of(each)), each, tensors))
    return tuple(loaded)
