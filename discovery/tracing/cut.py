"""An MLP's write of one prompt as units, each with what it reads and what it writes.

A unit's value is linear in the stream that its MLP reads once what `frozen` holds is held: of a
transcoder's feature because it is active, of an SAE's on the MLP's output because every neuron
before it is linear then. Which units are active is held too, and with them which won (TopK).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.dictionaries.streams import stream_directions
from discovery.models.half import product
from discovery.tracing.frozen import At, FrozenModel, Grad, Stream
from graph_schema.documents.dictionary import DictionaryKind, Normalisation, Place
from graph_schema.errors import SpecError


def check_traceable(dictionary: Dictionary) -> None:
    """Refuse a dictionary that does not stand at an MLP.

    Raises:
        SpecError: It does not.
    """
    document = dictionary.document
    if not document.site.of_mlp or document.site.layer is None:
        raise SpecError(
            f"{document.words} stands at no MLP; an attribution graph takes transcoders, or SAEs "
            "on an MLP's output"
        )


@dataclass(frozen=True)
class Active:
    """Units that are active, by position, then by number."""

    position: Int[Tensor, " n"]
    unit: Int[Tensor, " n"]
    value: Float[Tensor, " n"]


class Cut:
    """One dictionary's units on one prompt; those of the first `skip` positions are no nodes."""

    sublayer: Literal["mlp"] = "mlp"

    def __init__(self, model: FrozenModel, dictionary: Dictionary, skip: int) -> None:
        check_traceable(dictionary)
        document = dictionary.document
        assert document.site.layer is not None, "checked above"
        self.model, self.dictionary, self.layer = model, dictionary, document.site.layer
        self.reads, self.writes = document.site.reads, document.site.writes
        self.written = document.site.written
        self.exact = document.kind is DictionaryKind.NEURONS
        self.letter: Literal["n", "f"] = "n" if self.exact else "f"
        self.skip = skip

    @property
    def past_norm(self) -> bool:
        """Whether it writes past the norm after the MLP."""
        return self.writes is Place.MLP_ADDED

    @cached_property
    def x(self) -> Float[Tensor, "pos d_in"]:
        """What the dictionary encodes."""
        here = self.model.layers[self.layer]
        match self.reads:
            case Place.RESID_MID:
                return here.stream
            case Place.MLP_IN:
                return here.mlp_norm.normed
            case Place.MLP_UNIT:
                form = here.mlp_norm.norm
                return here.stream if form is None else form.at(here.stream).unit
            case Place.NEURONS:
                return here.mlp.neurons
            case Place.MLP_OUT:
                return here.write
            case _:
                return here.mlp_added.normed

    def at(self, stream: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows d_in"]:
        """What the dictionary would encode where its MLP reads another stream."""
        here = self.model.layers[self.layer]
        if self.reads is Place.RESID_MID:
            return stream
        form, weights = here.mlp_norm.norm, here.mlp.weights
        if self.reads is Place.MLP_UNIT:
            return stream if form is None else form.at(stream).unit
        normed = stream if form is None else form(stream)
        if self.reads is Place.MLP_IN:
            return normed
        neurons = weights.neurons(normed)
        if self.reads is Place.NEURONS:
            return neurons
        write, after = weights.write(neurons), here.mlp_added.norm
        return write if self.reads is Place.MLP_OUT or after is None else after(write)

    @cached_property
    @torch.no_grad()
    def active(self) -> Active:
        found = self.model.layers[self.layer].mlp.neurons if self.exact else self._encoded
        position, unit = found[self.skip :].nonzero(as_tuple=True)
        position = position + self.skip
        return Active(position, unit, found[position, unit])

    @property
    def _encoded(self) -> Float[Tensor, "pos unit"]:
        return self.dictionary.encode(self.x)

    def directions(self, index: Tensor, layer: int) -> Float[Tensor, "n d_model"]:
        """What single active units write along, to a layer."""
        rows = stream_directions(
            self.dictionary, self.model.adapter, self.active.unit[index], layer
        )
        return rows.to(self.x.dtype)

    def writes_of(self, index: Tensor, layer: int) -> Float[Tensor, "n d_model"]:
        """What single active units write to a layer."""
        return self.active.value[index, None] * self.directions(index, layer)

    def total(self, layer: int) -> Stream:
        """What all active units write to a layer, from the first position that has nodes."""
        every = torch.zeros(
            self.x.shape[0],
            self.dictionary.document.width,
            dtype=self.x.dtype,
            device=self.x.device,
        )
        every[self.active.position, self.active.unit] = self.active.value
        rows = stream_directions(self.dictionary, self.model.adapter, None, layer)
        return product(every, rows.T)

    def constant(self, layer: int) -> Stream:
        """What it writes to a layer that no unit writes and that does not pass through it."""
        found = self.dictionary.constant(self.x, None if layer == self.layer else layer)
        if (skip := self.skip_weights) is not None and layer == self.layer:
            found = found - product(self.x, skip.T)
        if self.writes is not Place.NEURONS:
            return found
        weights = self.model.layers[layer].mlp.weights
        return weights.write(found)

    def passes(self) -> bool:
        """Whether something passes through it past all units, linearly."""
        return self.skip_weights is not None

    def passed(self) -> Stream:
        """What that is."""
        assert self.skip_weights is not None, "asked for where something passes"
        return product(self.x, self.skip_weights.T)

    def passed_back(self, grad: Grad) -> Grad:
        """From a gradient of what passes to one of the stream that the MLP reads."""
        assert self.skip_weights is not None, "asked for where something passes"
        return self.place_back(product(grad, self.skip_weights), slice(0, grad.shape[1]))

    @property
    def skip_weights(self) -> Tensor | None:
        """What passes its units is its input times this."""
        return self.dictionary.skip if isinstance(self.dictionary, LinearDictionary) else None

    def readings(self, index: Tensor) -> Float[Tensor, "n d_model"]:
        """The gradient of single active units' values by the stream that their MLP reads."""
        position, unit = self.active.position[index], self.active.unit[index]
        dictionary = self.dictionary
        if isinstance(dictionary, NeuronBasis):
            here = self.model.layers[self.layer]
            return here.mlp_norm.back(here.mlp.rows(position, unit), position)
        assert isinstance(dictionary, LinearDictionary), "what is loaded is linear, or neurons"
        rows = dictionary.encoder[unit].to(self.x.dtype)
        if dictionary.gate is not None:
            rows = rows * dictionary.gate.magnitude_scale[unit, None]
        if dictionary.scale is not None:
            rows = rows * dictionary.scale[unit, None]
        return self.place_back(self._normalised_back(rows, position), position)

    def _normalised_back(self, rows: Tensor, position: Tensor) -> Tensor:
        """Through what the dictionary does to its input, with the input's size held."""
        document, x = self.dictionary.document, self.x[position]
        undone = document.kind is DictionaryKind.SAE
        match document.reading.normalisation:
            case Normalisation.LAYER_NORM:
                size = (x - x.mean(-1, keepdim=True)).std(-1, keepdim=True)
                rows = rows - rows.mean(-1, keepdim=True)
                return rows * (size / (size + 1e-5) if undone else 1 / (size + 1e-5))
            case Normalisation.CONSTANT_NORM:
                return (
                    rows if undone else rows / (x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5)
                )
            case _:
                return rows

    def place_back(
        self, grad: Float[Tensor, "*rows d_in"], at: At
    ) -> Float[Tensor, "*rows d_model"]:
        """From a gradient of what the dictionary reads to one of the stream."""
        here = self.model.layers[self.layer]
        match self.reads:
            case Place.RESID_MID:
                return grad
            case Place.MLP_IN:
                return here.mlp_norm.back(grad, at)
            case Place.MLP_UNIT:
                return here.mlp_norm.unit_back(grad, at)
            case Place.NEURONS:
                return here.mlp_norm.back(here.mlp.back(grad, at), at)
            case Place.MLP_OUT:
                return here.mlp_norm.back(
                    here.mlp.back(product(grad, here.mlp.weights.down), at), at
                )
            case _:
                raw = product(here.mlp_added.back(grad, at), here.mlp.weights.down)
                return here.mlp_norm.back(here.mlp.back(raw, at), at)
