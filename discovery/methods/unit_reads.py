"""Units that read an MLP's input through rows: their gradients, and what they do without a sender.

A neuron, or a transcoder's unit, sees its input through a norm and through a row of weights or two.
So its gradient is a factor by a row (read_gradients.py). And as both are inner products, it takes
no second run to know a unit with a step Δ less:

    row · norm(x - Δ) = (row' · x - row' · Δ) / size(x - Δ) + bias
    size²(x - Δ) = size²(x) - 2 x · Δ / d + Δ · Δ / d

where row' has the norm's weight and, in a LayerNorm, its centring. For a unit's write, coefficient
times direction, row' · Δ is one number for all positions, times the coefficient.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import overload

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.methods.read_gradients import Factored
from discovery.models import ModelAdapter
from discovery.models.half import product
from discovery.models.mlp import MlpWeights
from discovery.models.norms import Norm
from graph_schema.documents.dictionary import Normalisation, Place

Stream = Float[Tensor, "batch pos d_model"]
AT_ONCE = 2**20
"""Values of units, one a sender and position, that are made together: what caches hold."""


@dataclass(frozen=True)
class UnitReads:
    """Rows that units read through, past a norm if there is one, and what they make of them.

    `of_unit` says which rows are a unit's own.
    """

    rows: Float[Tensor, "row d_model"]
    bias: Float[Tensor, " row"] | None
    norm: Norm | None
    values: Callable[[Tensor], Tensor]
    of_unit: Int[Tensor, "unit k"]

    def slopes(self, x: Stream) -> Factored:
        """Derivatives of the units' coefficients by what the MLP reads, before the norm."""
        slope = None if self.norm is None else self.norm.at(x)
        normed = x if self.norm is None else self.norm(x)
        read = product(normed, self.rows, self.bias)
        with torch.enable_grad():
            leaf = read.detach().requires_grad_()
            (factors,) = torch.autograd.grad(self.values(leaf).sum(), leaf)
        factors = factors[..., self.of_unit].permute(2, 3, 0, 1)
        return Factored(factors, self.rows[self.of_unit].to(x.dtype), slope)

    def at(self, x: Stream, along: Float[Tensor, "batch pos unit"]) -> UnitsAt:
        """At one input; `along` is what a unit's coefficient counts for, by position."""
        return UnitsAt(self, x.flatten(0, 1), along.flatten(0, 1))


class UnitsAt:
    """Units at an input, ready to be asked what they do without some senders."""

    def __init__(
        self, reads: UnitReads, x: Float[Tensor, "row d_model"], along: Float[Tensor, "row unit"]
    ) -> None:
        self._reads, self._along = reads, along
        self._norm, rows, bias = reads.norm, reads.rows.to(x.dtype), reads.bias
        if self._norm is not None:
            if self._norm.bias is not None:
                moved = rows @ self._norm.bias.to(rows.dtype)
                bias = moved if bias is None else bias + moved
            rows = rows * self._norm.weight
            if self._norm.centred:
                rows = rows - rows.mean(-1, keepdim=True)
                x = x - x.mean(-1, keepdim=True)
            self._size = x.square().mean(-1) + self._norm.eps
        self._x, self._rows, self._bias = x, rows, bias
        self._read = x @ rows.T
        self._values = reads.values(self._pre(self._read, None))

    def _pre(self, read: Tensor, size: Tensor | None) -> Tensor:
        """What units are made of, from unscaled reads."""
        if self._norm is not None:
            read = read * (self._size if size is None else size).rsqrt()[..., None]
        return read if self._bias is None else read + self._bias

    def _changes(self, read: Tensor, size: Tensor | None) -> Float[Tensor, "sender unit"]:
        """What reads instead of these change in the units, along the gradient."""
        moved = self._reads.values(self._pre(read, size)).sub_(self._values)
        return torch.einsum("sru,ru->su", moved, self._along)

    def _parts(self, n: int) -> Generator[slice]:
        each = max(1, AT_ONCE // self._read.numel())
        for start in range(0, n, each):
            yield slice(start, min(start + each, n))

    def without(
        self, differences: Float[Tensor, "sender batch pos d_model"]
    ) -> Float[Tensor, "sender unit"]:
        """Without each of these differences in what is read."""
        flat, found = differences.flatten(1, 2), list[Tensor]()
        for part in self._parts(len(flat)):
            step, size = flat[part], None
            if self._norm is not None:
                own = step - step.mean(-1, keepdim=True) if self._norm.centred else step
                size = self._size + (own * (own - 2 * self._x)).mean(-1)
            found.append(self._changes(self._read - step @ self._rows.T, size))
        return torch.cat(found)

    def without_units(
        self,
        coefficients: Float[Tensor, "sender batch pos"],
        directions: Float[Tensor, "sender d_model"],
    ) -> Float[Tensor, "sender unit"]:
        """Without each of these coefficients along a direction."""
        flat, found = coefficients.flatten(1), list[Tensor]()
        made = directions @ self._rows.T
        if self._norm is not None and self._norm.centred:
            directions = directions - directions.mean(-1, keepdim=True)
        along = (directions @ self._x.T) / directions.shape[-1]
        length = directions.square().mean(-1, keepdim=True)
        for part in self._parts(len(flat)):
            step, size = flat[part], None
            if self._norm is not None:
                size = self._size + step * (step * length[part] - 2 * along[part])
            found.append(self._changes(self._read - step[..., None] * made[part][:, None], size))
        return torch.cat(found)


def neuron_reads(adapter: ModelAdapter, layer: int, units: Tensor | None) -> UnitReads | None:
    """Of a layer's neurons (None: all); None where its norm has no closed form."""
    norm, known = _norm(adapter, layer, Place.MLP_IN)
    if not known:
        return None
    weights = adapter.mlp_weights(layer)
    rows, bias = _some(weights.up, units), _some(weights.up_bias, units)
    own = torch.arange(len(rows), device=rows.device)[:, None]
    if weights.gate is None:
        return UnitReads(rows, bias, norm, weights.act, own)
    rows = torch.cat([_some(weights.gate, units), rows])
    if weights.gate_bias is not None or bias is not None:
        zeros = rows.new_zeros(len(rows) // 2)
        gate_bias = _some(weights.gate_bias, units)
        bias = torch.cat([zeros if each is None else each for each in (gate_bias, bias)])
    return UnitReads(rows, bias, norm, _gated(weights), torch.cat([own, own + len(own)], 1))


def unit_reads(
    adapter: ModelAdapter, dictionary: Dictionary, layer: int, units: Tensor
) -> UnitReads | None:
    """Of some units of a dictionary; None where they read through more than norm and rows."""
    if isinstance(dictionary, NeuronBasis):
        return neuron_reads(adapter, layer, units)
    if not isinstance(dictionary, LinearDictionary):
        return None
    reading, site = dictionary.document.reading, dictionary.document.site
    norm, known = _norm(adapter, layer, site.reads)
    if not known or reading.normalisation is not Normalisation.NONE:
        return None
    # Units that compete are told apart by what all of them read.
    wanted = None if dictionary.competes else units
    rows, bias = _some(dictionary.encoder, wanted), _some(dictionary.encoder_bias, wanted)
    if reading.subtracts_bias:
        less = rows @ dictionary.decoder_bias
        bias = -less if bias is None else bias - less

    def values(projected: Tensor) -> Tensor:
        return dictionary.of_projected(projected, units)

    own = units if dictionary.competes else torch.arange(len(units), device=units.device)
    return UnitReads(rows, bias, norm, values, own[:, None])


def _norm(adapter: ModelAdapter, layer: int, place: Place) -> tuple[Norm | None, bool]:
    """The norm before what reads at a place, and whether all is known of it."""
    if place is Place.RESID_MID:
        return None, True
    if place not in (Place.MLP_IN, Place.MLP_UNIT):
        return None, False
    form = adapter.closed_form(layer, "mlp")
    if form is None:
        probe = torch.ones(1, adapter.shape.d_model, dtype=adapter.dtype, device=adapter.device)
        return None, place is Place.MLP_IN and adapter.norm(layer, "mlp", probe) is probe
    if place is Place.MLP_UNIT:
        form = Norm(torch.ones_like(form.weight), None, form.eps, form.centred)
    return form, True


def _gated(weights: MlpWeights) -> Callable[[Tensor], Tensor]:
    def values(read: Tensor) -> Tensor:
        gate, up = read.chunk(2, -1)
        return weights.act(gate) * up

    return values


@overload
def _some(weights: Tensor, units: Tensor | None) -> Tensor: ...


@overload
def _some(weights: Tensor | None, units: Tensor | None) -> Tensor | None: ...


def _some(weights: Tensor | None, units: Tensor | None) -> Tensor | None:
    return weights if units is None or weights is None else weights[units]
