"""From pre-activations to activations: thresholds, and competition among units."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from graph_schema.documents.dictionary import Activation, Reading


def activated(
    reading: Reading,
    pre: Float[Tensor, "*rows unit"],
    threshold: Float[Tensor, " _"] | None = None,
) -> Float[Tensor, "*rows unit"]:
    """The activations of all units, or of some where they do not compete.

    JumpReLU (arXiv:2407.14435) keeps what is above its threshold, TopK (arXiv:2406.04093) the k
    largest of a row, groupmax the largest of each of k groups; what is kept and negative stays so
    unless the reading is rectified.
    """
    match reading.activation:
        case Activation.RELU:
            return pre.relu()
        case Activation.JUMPRELU:
            assert threshold is not None, "checked when it was read"
            return _clamped(reading, pre) * (pre > threshold)
        case Activation.TOPK:
            assert reading.k is not None, "checked by its document"
            values, kept = pre.topk(reading.k, dim=-1, sorted=False)
            return torch.zeros_like(pre).scatter(-1, kept, _clamped(reading, values))
        case Activation.GROUPMAX:
            assert reading.k is not None, "checked by its document"
            groups = pre.relu().unflatten(-1, (reading.k, -1))
            values, kept = groups.max(-1, keepdim=True)
            return torch.zeros_like(groups).scatter(-1, kept, values).flatten(-2)
        case _:
            return pre


def gated(
    gate: Float[Tensor, "*rows unit"], magnitude: Float[Tensor, "*rows unit"]
) -> Float[Tensor, "*rows unit"]:
    """Gated SAEs (arXiv:2404.16014): a magnitude where the gate is open."""
    return magnitude.relu() * (gate > 0)


def _clamped(reading: Reading, values: Tensor) -> Tensor:
    return values.relu() if reading.rectified else values
