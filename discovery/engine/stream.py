"""The model on its residual stream alone, layer by layer, several runs side by side.

Where nobody drops an edge of his own but whole senders are ablated, or a few receivers read another
run, everybody else reads one stream: no sender's write need be held, and a run costs a plain
forward pass from the first layer in which it differs. A run is a lane: a copy of the chunk's
examples, one after the other along the batch.

At the last layer only the metric's positions go on: nobody reads the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.forward import add_const, inputs
from discovery.engine.lanes import PROJECTION
from discovery.engine.restart import POSITIONS
from discovery.engine.room import room
from discovery.engine.unembedding import losses_at
from graph_schema.documents import Channel

Resid = Float[Tensor, "_ _ d_model"]
"""[lane_batch, place, d_model]: every position, or the metric's alone."""
Heads = Float[Tensor, "_ head _ d_head"]


@dataclass(frozen=True)
class OtherRead:
    """Some heads of one lane read another stream on a channel."""

    lane: int
    channel: Channel
    heads: tuple[int, ...]
    resid: Float[Tensor, "batch pos d_model"]


class Stream:
    """A chunk's model, one sublayer at a time."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.graph = bench, bench.experiment.graph
        self.adapter = bench.experiment.adapter
        self.n_examples, self.n_places = bench.ablated.shape[1:3]

    @property
    def width(self) -> int:
        """How many runs fit side by side, and on a processor are the faster for it."""
        sizes, rows = self.adapter.shape, self.n_examples * self.n_places
        each = 8 * sizes.d_model + 6 * sizes.n_heads * sizes.d_head + 3 * sizes.d_mlp
        device = self.bench.ablated.device
        most = room(device) // 4 // (each * rows * self.bench.ablated.itemsize)
        if device.type == "cpu":
            most = min(most, POSITIONS // rows)
        return max(1, most)

    def lanes(self, x: Tensor) -> Tensor:
        """The runs apart [lane, batch, ...], a view."""
        return x.unflatten(0, (-1, self.n_examples))

    def inputs(self) -> Float[Tensor, "input batch pos d_model"]:
        """What the embeddings write."""
        return inputs(self.adapter, self.bench.window.batch).to(self.bench.ablated.dtype)

    def mix(self, layer: int, resid: Resid, reads: Sequence[OtherRead] = ()) -> Heads:
        """What a layer's heads mix from the stream ahead of it."""
        adapter, own = self.adapter, self.bench.window
        window = own.beside(len(resid) // self.n_examples)
        normed = adapter.norm(layer, "attn", resid)
        values = {
            channel: adapter.project(window.batch, layer, name, normed)
            for channel, name in PROJECTION.items()
        }
        for channel in {read.channel for read in reads}:
            values[channel] = values[channel].clone()
        for read in reads:
            other = adapter.norm(layer, "attn", read.resid)
            into = self.lanes(values[read.channel])[read.lane]
            into[:, adapter.index(read.heads)] = adapter.project(
                own.batch, layer, PROJECTION[read.channel], other, read.heads
            )
        q, k, v = (values[channel] for channel in PROJECTION)
        z = window.mix(layer, q, k, v)
        if not self._is_last(layer):
            return z
        by_head = rearrange(z, "batch head pos d_head -> head batch pos d_head")
        return rearrange(
            window.at_targets(by_head), "head batch target d_head -> batch head target d_head"
        )

    def here(self, layer: int, x: Float[Tensor, "_ _ _"]) -> Float[Tensor, "_ _ _"]:
        """`x` where a layer's sublayers write: at the last layer at the metric's positions."""
        if not self._is_last(layer) or x.shape[1] != self.n_places:
            return x
        return self.bench.window.beside(len(x) // self.n_examples).at_targets(x)

    def written(self, layer: int, z: Heads) -> Resid:
        """What all heads of a layer write together, with the bias that no sender owns."""
        return add_const(self.adapter, layer, self.adapter.attn_sum(layer, z))

    def after_heads(self, layer: int, resid: Resid, written: Resid) -> Resid:
        return self.here(layer, resid) + self.adapter.post_norm(layer, "attn", written)

    def before_mlp(self, layer: int, resid: Resid, after: Resid) -> Resid:
        """What a layer's MLP reads."""
        return self.here(layer, resid) if self.graph.parallel else after

    def mlp(self, layer: int, read: Resid) -> Resid:
        """What a layer's MLP writes."""
        return self.adapter.mlp(layer, self.adapter.norm(layer, "mlp", read))

    def after_mlp(self, layer: int, after: Resid, mlp: Resid) -> Resid:
        return after + self.adapter.post_norm(layer, "mlp", mlp)

    def losses(self, last: Resid) -> Float[Tensor, "lane batch"]:
        """Each run's loss, from what the logits read."""
        return losses_at(self.adapter, self.bench.objective, self.lanes(last))

    def _is_last(self, layer: int) -> bool:
        return layer == self.graph.n_layers - 1


@dataclass(frozen=True)
class Recorded:
    """One run: by layer the stream ahead of it, what its heads mix, what its MLP writes.

    The stream has one more, which the logits read. `put` are writes that stand in place of
    senders' own: heads among them have a `z` of 0.
    """

    stream: Stream
    resid: Sequence[Resid]
    z: Sequence[Heads]
    mlp: Sequence[Resid]
    put: Mapping[int, Resid]

    def written(self, layer: int) -> Resid:
        """What all heads of a layer write together."""
        return with_heads(self.stream, self.put, layer, self.z[layer])

    def write(self, sender: int) -> Resid:
        """What one sender writes."""
        stream = self.stream
        graph, adapter = stream.graph, stream.adapter
        if sender in self.put:
            return self.put[sender]
        if sender < graph.n_inputs:
            return stream.inputs()[sender]
        layer = int(graph.sender_layers[sender])
        if sender == graph.mlp_sender(layer):
            return self.mlp[layer]
        head = sender - graph.head_senders(layer).start
        return adapter.head_out(layer, self.z[layer][:, [head]], [head])[:, 0]


@torch.no_grad()
def recorded(stream: Stream, put: Mapping[int, Resid] = MappingProxyType({})) -> Recorded:
    """The model as it is, or with some senders' writes `put` in place and all else following."""
    graph, first = stream.graph, stream.inputs()
    for sender in put:
        if sender < graph.n_inputs:
            first[sender] = put[sender]
    resid, z, mlp = [first.sum(0)], list[Heads](), list[Resid]()
    for layer in range(graph.n_layers):
        start = graph.head_senders(layer).start
        mixed = stream.mix(layer, resid[-1])
        if heads := [head for head in range(graph.n_heads) if start + head in put]:
            mixed = mixed.clone()
            mixed[:, heads] = 0
        written = with_heads(stream, put, layer, mixed)
        after = stream.after_heads(layer, resid[-1], written)
        if (sender := graph.mlp_sender(layer)) in put:
            out = stream.here(layer, put[sender])
        else:
            out = stream.mlp(layer, stream.before_mlp(layer, resid[-1], after))
        resid.append(stream.after_mlp(layer, after, out))
        z.append(mixed)
        mlp.append(out)
    return Recorded(stream, resid, z, mlp, put)


def with_heads(stream: Stream, put: Mapping[int, Resid], layer: int, z: Heads) -> Resid:
    """What a layer's heads write together, some by what is `put`, the others by their `z`."""
    written, heads = stream.written(layer, z), stream.graph.head_senders(layer)
    for sender in range(heads.start, heads.stop):
        if sender in put:
            written = written + stream.here(layer, put[sender])
    return written
