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
