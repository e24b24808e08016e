"""Units watched: their activations at every token of some prompts, from one run of the model."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.dictionaries.places import Spot, values_at
from discovery.dictionaries.protocol import Dictionary
from discovery.engine.experiment import pad
from discovery.models import ModelAdapter
from discovery.progress import Report
from graph_schema.documents.dictionary import Site

TOKENS = 2048
"""Of a batch, padding included."""
COLUMNS = 2**25
"""Coefficients that are made at once where units compete, and all of a row are needed for one."""

Asked = tuple[Dictionary, Sequence[int]]
"""A dictionary, and which of its units."""
Activations = NDArray[np.float32]


@torch.no_grad()
def watch(
    adapter: ModelAdapter,
    asked: Sequence[Asked],
    prompts: Sequence[Sequence[int]],
    report: Report | None = None,
) -> list[Activations]:
    """Every unit's activation at every token: of each prompt [pos, unit], units as they are asked.

    Args:
        adapter: The model.
        asked: Dictionaries with units; what each reads is taken from the model's own run.
        prompts: Token ids, each at least one.
        report: Told how many prompts are done.
    """
    spots = {_spot(each) for each, _ in asked if each.document.site.layer is not None}
    found: dict[int, Activations] = {}
    for numbers in _batches(prompts):
        batch = pad(adapter, [prompts[number] for number in numbers])
        values = values_at(adapter, batch, spots)
        parts = adapter.embed_parts(batch)
        columns = [
            _activations(
                dictionary,
                units,
                parts[dictionary.document.site.embedding]
                if dictionary.document.site.embedding is not None
                else values[_spot(dictionary)],
            )
            for dictionary, units in asked
        ]
        every = torch.cat(columns, -1).float().cpu().numpy()
        for row, number in enumerate(numbers):
            found[number] = every[row, : len(prompts[number])].copy()
        if report is not None:
            report(len(found), len(prompts))
    return [found[number] for number in range(len(prompts))]


def _spot(dictionary: Dictionary) -> Spot:
    site: Site = dictionary.document.site
    assert site.layer is not None, "the embeddings are no layer's"
    return site.layer, site.reads, site.head


def _activations(
    dictionary: Dictionary, units: Sequence[int], x: Float[Tensor, "batch pos d_in"]
) -> Float[Tensor, "batch pos unit"]:
    chosen = torch.tensor(list(units), dtype=torch.long, device=x.device)
    if not dictionary.competes:
        return dictionary.activations(x, chosen)
    rows = x.flatten(0, 1).split(max(1, COLUMNS // dictionary.document.width))
    found = torch.cat([dictionary.activations(part, chosen) for part in rows])
    return found.unflatten(0, x.shape[:2])


def _batches(prompts: Sequence[Sequence[int]]) -> Generator[list[int]]:
    """Prompts of like length together, so that little is padding."""
    batch: list[int] = []
    for number in sorted(range(len(prompts)), key=lambda number: len(prompts[number])):
        if batch and (len(batch) + 1) * len(prompts[number]) > TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
