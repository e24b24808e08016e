"""What a site's parts write where the whole component reads something: plain, differentiable."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from discovery.engine.lanes import PROJECTION
from discovery.engine.site import Site
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.splice import Basis
from discovery.engine.window import Window
from discovery.engine.writes import Writes
from graph_schema.documents import Channel

Stream = Float[Tensor, "batch pos d_model"]


def part_writes(
    basis: Basis, window: Window, site: Site, reads: Mapping[Channel, Stream]
) -> Writes:
    """Writes of a head's, a layer's heads' or an MLP's parts, from what it reads by channel.

    A whole component is one dense part. `window` is as long as what is read.
    """
    adapter, parts = basis.adapter, range(len(site.senders))
    if not site.heads:
        x = reads[Channel.R]
        normed = adapter.norm(site.layer, "mlp", x)
        if site.split is None:
            return _whole(adapter.mlp(site.layer, normed))
        source = basis.of_mlp(site, x[None], normed[None], parts)
    else:
        heads = list(site.heads)
        q, k, v = (
            adapter.project(
                window.batch,
                site.layer,
                PROJECTION[channel],
                adapter.norm(site.layer, "attn", reads[channel]),
                heads,
            )
            for channel in HEAD_CHANNELS
        )
        z = window.mix(site.layer, q, k, v, heads)
        if site.split is None:
            return _whole(adapter.head_out(site.layer, z, heads)[:, 0])
        source = basis.of_heads(site, z, parts)
    units, dense = basis.part_writes(site, parts, [0] * len(parts), source)
    return Writes(dense, units)


def _whole(write: Stream) -> Writes:
    return Writes(write[None], write.new_empty((0, *write.shape[:2])))
