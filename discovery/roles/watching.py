"""The plain forward pass with somebody looking on, who may put other head outputs in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.forward import KV, add_const
from discovery.models import Batch, ModelAdapter


@dataclass(frozen=True)
class AtLayer:
    """A layer's attention: the stream before it, its queries, keys, values, and what they mix."""

    layer: int
    resid: Float[Tensor, "batch pos d_model"]
    q: Float[Tensor, "batch head pos d_head"]
    k: Float[Tensor, "batch head key d_head"]
    v: Float[Tensor, "batch head key d_head"]
    z: Float[Tensor, "batch head pos d_head"]


Visit = Callable[[AtLayer], Tensor | None]
"""Returns the `z` to go on with; None for the layer's own."""


@torch.no_grad()
def watched(
    adapter: ModelAdapter, batch: Batch, visit: Visit | None = None
) -> Float[Tensor, "batch pos d_model"]:
    """The final residual stream; `visit` sees every layer on the way."""
    resid = adapter.embed(batch)
    for layer in range(adapter.shape.n_layers):
        normed = adapter.norm(layer, "attn", resid)
        q = adapter.project(batch, layer, "q", normed)
        k, v = (adapter.project(batch, layer, channel, normed) for channel in KV)
        z = adapter.mix(batch, layer, q, k, v)
        if visit is not None and (other := visit(AtLayer(layer, resid, q, k, v, z))) is not None:
            z = other
        total = add_const(adapter, layer, adapter.attn_sum(layer, z))
        after = resid + adapter.post_norm(layer, "attn", total)
        read = resid if adapter.parallel else after
        mlp = adapter.mlp(layer, adapter.norm(layer, "mlp", read))
        resid = after + adapter.post_norm(layer, "mlp", mlp)
    return resid


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
