"""What every active unit does to the logits by all paths together, in one pass back.

Everything held, the logits are linear in a unit's value, through other units too (RelP,
arXiv:2508.21258). A small model has a million active neurons on one prompt: this says which few
thousand of them come into question as nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.models.half import product
from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenModel, Grad


@torch.no_grad()
def reach(
    model: FrozenModel,
    cuts: Sequence[Cut],
    vectors: Float[Tensor, "logit d_model"],
    weights: Float[Tensor, " logit"],
) -> list[Tensor]:
    """|value · gradient of a logit by it|, weighted over logits: [unit] of each cut's active."""
    last = model.n_positions - 1
    grad = model.final.normed.new_zeros((len(vectors), last + 1, vectors.shape[1]))
    grad[:, last] = vectors
    slopes = [grad.new_zeros((len(vectors), len(cut.active.unit))) for cut in cuts]
    for layer in reversed(range(len(model.layers))):
        here, every = model.layers[layer], slice(0, last + 1)
        raw = here.mlp_added.back(grad, every)
        read = torch.zeros_like(grad)
        for cut, slope in zip(cuts, slopes, strict=True):
            if layer in cut.written:
                slope += _met(cut, layer, grad if cut.past_norm else raw)
            if cut.layer == layer:
                read += _through(cut, slope, grad if cut.past_norm else raw)
        attn = model.attention_back(layer, grad if model.adapter.parallel else grad + read)
        grad = grad + read + attn
    return [
        (slope.abs() * weights[:, None]).sum(0) * cut.active.value.abs()
        for cut, slope in zip(cuts, slopes, strict=True)
    ]


def _met(cut: Cut, layer: int, along: Grad) -> Float[Tensor, "logit unit"]:
    """The slope of each active unit's direction."""
    active = cut.active
    if cut.exact:
        down = cut.model.layers[layer].mlp.weights.down
        return product(along, down)[:, active.position, active.unit]
    found = along.new_zeros((along.shape[0], len(active.unit)))
    for at in range(along.shape[1]):
        index = (active.position == at).nonzero()[:, 0]
        found[:, index] = along[:, at] @ cut.directions(index, layer).T
    return found


def _through(cut: Cut, slope: Float[Tensor, "logit unit"], along: Grad) -> Grad:
    """From slopes of units' values to a gradient of what their MLP reads."""
    active, here = cut.active, cut.model.layers[cut.layer]
    if cut.exact:
        whole = along.new_zeros((*along.shape[:2], here.mlp.neurons.shape[1]))
        whole[:, active.position, active.unit] = slope
        every = slice(0, along.shape[1])
        return here.mlp_norm.back(here.mlp.back(whole, every), every)
    found = torch.zeros_like(along)
    for at in range(along.shape[1]):
        index = (active.position == at).nonzero()[:, 0]
        found[:, at] = slope[:, index] @ cut.readings(index)
    return found + cut.passed_back(along) if cut.passes() else found
