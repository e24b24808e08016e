"""Trained dictionaries: SAEs, transcoders, and one layer of a cross-layer transcoder.

All of them are one affine map, an activation, and directions: what differs is what stands before
and behind. Weights keep the type they were loaded in; products are computed in the input's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.gates import activated, gated
from discovery.dictionaries.protocol import Units
from discovery.models.half import product
from graph_schema.documents.dictionary import DictionaryDocument, DictionaryKind, Normalisation


@dataclass(frozen=True)
class Gate:
    """The two ways from one projection of a gated SAE."""

    bias: Float[Tensor, " unit"]
    magnitude_scale: Float[Tensor, " unit"]
    magnitude_bias: Float[Tensor, " unit"]


@dataclass(frozen=True)
class _Input:
    """An input made ready: `size` and `mean` are what was taken off, where something was."""

    x: Tensor
    size: Tensor | None = None
    mean: Tensor | None = None


@dataclass(frozen=True, eq=False)
class LinearDictionary:
    """Implements `Dictionary`.

    Attributes:
        decoders: Directions by the layer that they write to.
        scale: Coefficient for each activation; None where they are the same.
        skip: What is passed on linearly, from the input as it comes.
    """

    document: DictionaryDocument
    encoder: Float[Tensor, "unit d_in"]
    decoders: Mapping[int, Float[Tensor, "unit d_out"]]
    decoder_bias: Float[Tensor, " d_out"]
    encoder_bias: Float[Tensor, " unit"] | None = None
    threshold: Float[Tensor, " unit"] | None = None
    gate: Gate | None = None
    skip: Float[Tensor, "d_in d_out"] | None = None
    scale: Float[Tensor, " unit"] | None = None

    @property
    def competes(self) -> bool:
        return self.document.reading.competes

    @property
    def layer(self) -> int:
        """Its own layer."""
        layer = self.document.site.layer
        assert layer is not None, "trained dictionaries sit in a layer"
        return layer

    def pre_activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        return self._magnitude(self._projected(self._input(x), units), units)

    def activations(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        return self._activations(self._input(x), units)

    def encode(
        self, x: Float[Tensor, "*rows d_in"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        given = self._input(x)
        found = self._activations(given, units)
        if self.scale is not None:
            found = found * _some(self.scale, units)
        if given.size is not None and self._denormalises:
            found = found * given.size
        return found

    def directions(
        self, units: Units = None, layer: int | None = None
    ) -> Float[Tensor, "unit d_out"]:
        return _some(self.decoders[self.layer if layer is None else layer], units)

    def constant(
        self, x: Float[Tensor, "*rows d_in"], layer: int | None = None
    ) -> Float[Tensor, "*#rows d_out"]:
        bias = self.decoder_bias.to(x.dtype)
        if layer is not None and layer != self.layer:
            return (bias * 0).expand(*x.shape[:-1], -1)
        given = self._input(x)
        if given.size is not None and self._denormalises:
            bias = bias * given.size
            bias = bias if given.mean is None else bias + given.mean
        bias = bias.expand(*x.shape[:-1], -1)
        return bias if self.skip is None else bias + product(x, self.skip.T)

    def decode(
        self,
        coefficients: Float[Tensor, "*rows unit"],
        x: Float[Tensor, "*rows d_in"],
        layer: int | None = None,
    ) -> Float[Tensor, "*rows d_out"]:
        written = product(coefficients, self.directions(layer=layer).T)
        return written + self.constant(x, layer)

    @property
    def _denormalises(self) -> bool:
        """What a transcoder writes is of another size than what it reads."""
        return self.document.kind is DictionaryKind.SAE

    def _input(self, x: Tensor) -> _Input:
        match self.document.reading.normalisation:
            case Normalisation.LAYER_NORM:
                mean = x.mean(-1, keepdim=True)
                size = (x - mean).std(-1, keepdim=True)
                given = _Input((x - mean) / (size + 1e-5), size, mean)
            case Normalisation.CONSTANT_NORM:
                size = x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
                given = _Input(x / size, size)
            case _:
                given = _Input(x)
        if not self.document.reading.subtracts_bias:
            return given
        return _Input(given.x - self.decoder_bias.to(x.dtype), given.size, given.mean)

    def _projected(self, given: _Input, units: Units) -> Tensor:
        bias = None if self.encoder_bias is None else _some(self.encoder_bias, units)
        return product(given.x, _some(self.encoder, units), bias)

    def _magnitude(self, projected: Tensor, units: Units) -> Tensor:
        if self.gate is None:
            return projected
        scale, bias = self.gate.magnitude_scale, self.gate.magnitude_bias
        return projected * _some(scale, units) + _some(bias, units)

    def of_projected(
        self, projected: Float[Tensor, "*rows _"], units: Units = None
    ) -> Float[Tensor, "*rows unit"]:
        """Coefficients of `units` from what their rows make of an input that is not normalised.

        Of units that compete, what the rows of all make of it.
        """
        wanted = None if self.competes else units
        found = self._activated(projected, wanted)
        if self.scale is not None:
            found = found * _some(self.scale, wanted)
        return found if wanted is units or units is None else found[..., units]

    def _activations(self, given: _Input, units: Units) -> Tensor:
        wanted = None if self.competes else units
        found = self._activated(self._projected(given, wanted), wanted)
        return found if wanted is units or units is None else found[..., units]

    def _activated(self, projected: Tensor, wanted: Units) -> Tensor:
        if self.gate is not None:
            magnitude = self._magnitude(projected, wanted)
            return gated(projected + _some(self.gate.bias, wanted), magnitude)
        threshold = None if self.threshold is None else _some(self.threshold, wanted)
        return activated(self.document.reading, projected, threshold)


def _some(weights: Tensor, units: Units) -> Tensor:
    return weights if units is None else weights[units]
