"""Small dictionaries with random weights, one for each kind of place, for the engine's tests."""

from __future__ import annotations

import torch
from torch import Tensor

from discovery.dictionaries.coordinates import CoordinateBasis
from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.neurons import NeuronBasis
from discovery.engine.splice import Splice
from discovery.models import ModelAdapter
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)

N_UNITS = 10


def made(
    adapter: ModelAdapter, site: Site, *, seed: int = 0, top: int | None = None, skip: bool = False
) -> LinearDictionary:
    """A dictionary of `N_UNITS`: ReLU, or the `top` a row; `skip` passes its input on as well."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(adapter.dtype) * 0.3

    d_in, d_out = (_width(adapter, site, place) for place in (site.reads, site.writes))
    kind = DictionaryKind.SAE if site.reads is site.writes else DictionaryKind.TRANSCODER
    activation = Activation.RELU if top is None else Activation.TOPK
    return LinearDictionary(
        DictionaryDocument(
            kind=kind,
            site=site,
            width=N_UNITS,
            reading=Reading(activation=activation, k=top),
            sha256=f"{seed:064x}",
            skip=skip,
        ),
        random(N_UNITS, d_in),
        {0 if site.layer is None else site.layer: random(N_UNITS, d_out)},
        random(d_out),
        random(N_UNITS).abs(),
        skip=random(d_in, d_out) if skip else None,
    )


def _width(adapter: ModelAdapter, site: Site, place: Place) -> int:
    sizes = adapter.shape
    if place is Place.ATTN_Z:
        return sizes.d_head * (sizes.n_heads if site.head is None else 1)
    return sizes.d_mlp if place is Place.NEURONS else sizes.d_model


def attention_output(adapter: ModelAdapter, seed: int) -> LinearDictionary:
    """On the second layer's attention output; where a norm follows, on what is past it."""
    place = Place.ATTN_ADDED if adapter.post_norms else Place.ATTN_OUT
    return made(adapter, Site(reads=place, writes=place, layer=1), seed=seed)


def splices(adapter: ModelAdapter) -> tuple[Splice, ...]:
    """One of each kind, in the first two layers; a head or more are left whole."""
    head = Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=0, head=0)
    mixed = Site(reads=Place.ATTN_Z, writes=Place.ATTN_Z, layer=0, head=1)
    past = Place.MLP_ADDED if adapter.post_norms else Place.MLP_OUT
    first = next(iter(adapter.embed_parts(adapter.batch(torch.zeros((1, 1), dtype=torch.long)))))
    return (
        Splice(CoordinateBasis(first, adapter.shape.d_model, adapter.dtype), (3, 1)),
        Splice(made(adapter, head, seed=2, top=4), (0, 2, 5)),
        Splice(made(adapter, mixed, seed=3), (7,)),
        Splice(
            made(adapter, Site(reads=Place.MLP_IN, writes=past, layer=0), seed=4, skip=True),
            (1, 2, 8),
        ),
        Splice(attention_output(adapter, 5), (4, 6)),
        Splice(NeuronBasis(adapter, 1), (0, 5, 3, 9)),
    )


def other_splices(adapter: ModelAdapter) -> tuple[Splice, ...]:
    """Places that are rarer: all heads' values side by side, neurons' space, an MLP's output."""
    side = Site(reads=Place.ATTN_Z, writes=Place.ATTN_Z, layer=1)
    inner = Site(reads=Place.NEURONS, writes=Place.NEURONS, layer=0)
    output = Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=1)
    return (
        Splice(made(adapter, inner, seed=6), (1, 4)),
        Splice(made(adapter, side, seed=7), (2, 0)),
        Splice(made(adapter, output, seed=8, top=3), (5, 6, 7)),
    )
