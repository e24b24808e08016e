"""What stands at places of a model's forward pass: what dictionaries read and should write."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.models.base import Batch, ModelAdapter, Qkv
from graph_schema.documents.dictionary import Place
from graph_schema.errors import DictionaryError

Spot = tuple[int, Place, int | None]
"""A layer, a place in it, and a head of `attn_z` or `head_out` (None: all side by side)."""
CHANNELS: tuple[Qkv, ...] = ("q", "k", "v")


@torch.no_grad()
def values_at(
    adapter: ModelAdapter, batch: Batch, spots: Iterable[Spot]
) -> dict[Spot, Float[Tensor, "batch pos _"]]:
    """The values at each spot on the model's own run.

    Raises:
        DictionaryError: The model has no such place: no norm that is known in closed form.
    """
    wanted, found = set(spots), dict[Spot, Tensor]()
    last = max((layer for layer, _, _ in wanted), default=-1)
    x = adapter.embed(batch)
    for layer in range(last + 1):
        here = {spot for spot in wanted if spot[0] == layer}
        values: dict[Place, Tensor] = {Place.RESID_PRE: x}
        normed = adapter.norm(layer, "attn", x)
        q, k, v = (adapter.project(batch, layer, channel, normed) for channel in CHANNELS)
        z = adapter.mix(batch, layer, q, k, v)
        values[Place.ATTN_Z] = rearrange(z, "batch head pos d_head -> batch pos (head d_head)")
        attn, const = adapter.attn_sum(layer, z), adapter.attn_const(layer)
        values[Place.ATTN_OUT] = attn if const is None else attn + const
        values[Place.ATTN_ADDED] = adapter.post_norm(layer, "attn", values[Place.ATTN_OUT])
        after = x + values[Place.ATTN_ADDED]
        stream = x if adapter.parallel else after
        values[Place.RESID_MID] = stream
        values[Place.MLP_IN] = adapter.norm(layer, "mlp", stream)
        values[Place.MLP_OUT] = adapter.mlp(layer, values[Place.MLP_IN])
        values[Place.MLP_ADDED] = adapter.post_norm(layer, "mlp", values[Place.MLP_OUT])
        x = after + values[Place.MLP_ADDED]
        values[Place.RESID_POST] = x
        for spot in here:
            found[spot] = _at(adapter, layer, spot, values, z)
    return found


def _at(
    adapter: ModelAdapter, layer: int, spot: Spot, values: dict[Place, Tensor], z: Tensor
) -> Tensor:
    _, place, head = spot
    if place is Place.HEAD_OUT:
        assert head is not None, "a head's own write is of one head"
        return adapter.head_out(layer, z[:, [head]], [head])[:, 0]
    if place is Place.ATTN_Z and head is not None:
        return z[:, head]
    if place is Place.NEURONS:
        return adapter.mlp_weights(layer).neurons(values[Place.MLP_IN])
    if place is Place.MLP_UNIT:
        norm = adapter.closed_form(layer, "mlp")
        if norm is None:
            raise DictionaryError(
                f"a dictionary reads {place.value} of layer {layer}, the normed input before the "
                "norm's scale, and this model has no such norm there"
            )
        return norm.at(values[Place.RESID_MID]).unit
    return values[place]
