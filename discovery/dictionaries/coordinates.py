"""The identity basis: unit i is coordinate i of what a component writes.

In a compiled program the coordinates of the residual stream have names, so its features are known
without a dictionary.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.protocol import Units
from graph_schema.documents.component import Component, ComponentKind
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted


def coordinate_site(component: str) -> Site:
    """Where a sender's own write is: of the embeddings, a head or an MLP.

    Raises:
        DictionaryError: It is no sender.
    """
    part = Component.parse(component)
    if part.kind is ComponentKind.MLP:
        return Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=part.layer)
    if part.kind is ComponentKind.HEAD:
        return Site(reads=Place.HEAD_OUT, writes=Place.HEAD_OUT, layer=part.layer, head=part.head)
    for name in ("input", "embed", "pos_embed"):
        if component == name:
            return Site(reads=Place.EMBED, writes=Place.EMBED, embedding=name)
    raise DictionaryError(
        f"component {quoted(component)} has no coordinates of its own; expected a head, an MLP or "
        "an embedding"
    )


class CoordinateBasis:
    """Coordinates of a sender's write; implements `Dictionary`. The error is zero."""

    competes = False

    def __init__(
        self,
        component: str,
        d_model: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._eye = torch.eye(d_model, dtype=dtype, device=device)
        self._document = DictionaryDocument(
            kind=DictionaryKind.BASIS,
            site=coordinate_site(component),
            width=d_model,
            reading=Reading(activation=Activation.LINEAR, rectified=False),
        )

    @property
    def document(self) -> DictionaryDocument:
        return self._document

    def pre_activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        return x if units is None else x[..., units]

    activations = pre_activations
    encode = pre_activations

    def directions(
        self, units: Units = None, layer: int | None = None
    ) -> Float[Tensor, "unit d_out"]:
        return self._eye if units is None else self._eye[units]

    def constant(
        self, x: Float[Tensor, "*rows d_in"], layer: int | None = None
    ) -> Float[Tensor, "*#rows d_out"]:
        return torch.zeros_like(x)

    def decode(
        self,
        coefficients: Float[Tensor, "*rows unit"],
        x: Float[Tensor, "*rows d_in"],
        layer: int | None = None,
    ) -> Float[Tensor, "*rows d_out"]:
        return coefficients
