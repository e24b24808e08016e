"""How units' coefficients change with what an MLP reads: factors and rows (read_gradients.py)."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.methods.read_gradients import Factored
from discovery.models import ModelAdapter
from discovery.models.half import product
from discovery.models.mlp import MlpWeights
from graph_schema.documents.dictionary import Normalisation, Place

Stream = Float[Tensor, "batch pos d_model"]


def unit_slopes(
    adapter: ModelAdapter, dictionary: Dictionary, x: Stream, units: Tensor
) -> Factored | None:
    """Derivatives of some units' coefficients by `x`, what the MLP reads, before its norm.

    None where a unit reads it through more than a norm and rows of weights.
    """
    site = dictionary.document.site
    if site.layer is None or site.head is not None:
        return None
    match site.reads:
        case Place.RESID_MID:
            slope, encoded = None, x
        case Place.MLP_IN | Place.MLP_UNIT:
            form = adapter.closed_form(site.layer, "mlp")
            encoded = adapter.norm(site.layer, "mlp", x)
            if form is None and encoded is not x:
                return None
            slope = None if form is None else form.at(x)
            if site.reads is Place.MLP_UNIT:
                if slope is None:
                    return None
                encoded = slope.unit
                slope = replace(slope, weight=torch.ones_like(slope.weight))
        case _:
            return None
    if isinstance(dictionary, NeuronBasis):
        factors, rows = _of_neurons(adapter.mlp_weights(site.layer), encoded, units)
    elif isinstance(dictionary, LinearDictionary):
        if dictionary.document.reading.normalisation is not Normalisation.NONE:
            return None
        factors = dictionary.slopes(encoded, units)[..., None]
        rows = dictionary.encoder[units][:, None]
    else:
        return None
    return Factored(factors.permute(2, 3, 0, 1), rows.to(x.dtype), slope)


def _of_neurons(
    weights: MlpWeights, normed: Stream, units: Tensor
) -> tuple[Float[Tensor, "batch pos unit k"], Float[Tensor, "unit k d_model"]]:
    read = weights.pre(normed, units)
    with torch.enable_grad():
        leaf = read.detach().requires_grad_()
        acts = weights.act(leaf)
        (slope,) = torch.autograd.grad(acts.sum(), leaf)
    if weights.gate is None:
        return slope[..., None], weights.up[units][:, None]
    bias = None if weights.up_bias is None else weights.up_bias[units]
    carried = product(normed, weights.up[units], bias)
    factors = torch.stack([slope * carried, acts.detach()], -1)
    return factors, torch.stack([weights.gate[units], weights.up[units]], 1)
