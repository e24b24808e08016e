"""Neurons as a dictionary: exact, without training, in every family."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.protocol import Units
from discovery.models.base import ModelAdapter
from discovery.models.half import product
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)


def neuron_document(layer: int, d_mlp: int) -> DictionaryDocument:
    """What a layer's neurons are; their tensors are the model's own."""
    return DictionaryDocument(
        kind=DictionaryKind.NEURONS,
        site=Site(reads=Place.MLP_IN, writes=Place.MLP_OUT, layer=layer),
        width=d_mlp,
        reading=Reading(activation=Activation.MLP, rectified=False),
    )


class NeuronBasis:
    """The inputs of an MLP's down projection (arXiv:2601.22594); implements `Dictionary`.

    The error is zero. A unit costs one row of the MLP, two where it is gated.
    """

    competes = False

    def __init__(self, adapter: ModelAdapter, layer: int) -> None:
        self._weights = adapter.mlp_weights(layer)
        self._d_model = adapter.shape.d_model
        self._document = neuron_document(layer, adapter.shape.d_mlp)

    @property
    def document(self) -> DictionaryDocument:
        return self._document

    def pre_activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        return self._weights.pre(x, units)

    def activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        return self._weights.neurons(x, units)

    encode = activations

    def directions(
        self, units: Units = None, layer: int | None = None
    ) -> Float[Tensor, "unit d_out"]:
        return self._weights.down if units is None else self._weights.down[units]

    def constant(
        self, x: Float[Tensor, "*rows d_in"], layer: int | None = None
    ) -> Float[Tensor, "*#rows d_out"]:
        bias = self._weights.down_bias
        if bias is None:
            bias = torch.zeros(self._d_model, dtype=x.dtype, device=x.device)
        return bias.to(x.dtype).expand(*x.shape[:-1], -1)

    def decode(
        self,
        coefficients: Float[Tensor, "*rows unit"],
        x: Float[Tensor, "*rows d_in"],
        layer: int | None = None,
    ) -> Float[Tensor, "*rows d_out"]:
        return product(coefficients, self._weights.down.T) + self.constant(x)
