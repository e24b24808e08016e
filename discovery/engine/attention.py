"""Attention probabilities, read off the family's own attention."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.models import Batch, ModelAdapter


def attention(
    adapter: ModelAdapter,
    batch: Batch,
    layer: int,
    q: Float[Tensor, "batch head pos d_head"],
    k: Float[Tensor, "batch head key d_head"],
) -> Float[Tensor, "batch head pos key"]:
    """Attention probabilities, exact in every family.

    Values that are the unit vectors of key positions come out of the family's own attention as its
    probabilities, with its masks, windows, soft-capping and scaling; `d_head` keys at a time.
    """
    n_keys, width = k.shape[2], k.shape[3]
    found: list[Tensor] = []
    for start in range(0, n_keys, width):
        unit = torch.zeros(n_keys, width, dtype=k.dtype, device=k.device)
        stop = min(start + width, n_keys)
        unit[range(start, stop), range(stop - start)] = 1
        z = adapter.mix(batch, layer, q, k, unit.expand_as(k))
        found.append(z[..., : stop - start])
    return torch.cat(found, dim=-1)
