"""One world's patches side by side: runs in which some inputs read that world.

An input reads the world whole, or only what some carriers write there: then it reads its own run,
and beside that the carriers' change, world less own. Past a post-norm a change is that of the
normed sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.ablation import Example
from discovery.engine.stream import Heads, OtherRead, Recorded, Resid, Stream
from discovery.models import Sublayer
from graph_schema.documents import Channel

Where = Callable[[Example], Sequence[bool]]
"""At which of an example's positions a patch is put."""


@dataclass(frozen=True)
class Patch:
    """Senders patched together, and who sees it; numbers are the graph's.

    Attributes:
        senders: They write their ablated values.
        receivers: The inputs that see what follows from it; all else follows from them. The logits
            alone see the patch as if it were plainly made.
        carriers: The senders through whose edges these inputs see it; None: all, on any path.
            Those of `senders` alone are the direct edges.
        where: At which positions the senders are patched; None: at all.
    """

    senders: tuple[int, ...]
    receivers: tuple[int, ...]
    carriers: tuple[int, ...] | None = None
    where: Where | None = None


def first_layer(stream: Stream, patch: Patch) -> int:
    """The first layer in which an input sees a patch; of the logits, how many layers there are."""
    return min(map(stream.graph.layer, patch.receivers), default=stream.graph.n_layers)


class PathPatched:
    """Runs of patches of one world, whose first inputs lie in one layer.

    Args:
        clean: The chunk's run as it is.
        world: Its run with the patches' senders ablated.
        patches: One a lane.
    """

    def __init__(self, clean: Recorded, world: Recorded, patches: Sequence[Patch]) -> None:
        self._stream = clean.stream
        self._clean, self._world, self._patches = clean, world, patches
        self._first = first_layer(self._stream, patches[0])
        # By lane, what the carriers have changed so far: world less own run.
        self._changes = [self._before(patch) for patch in patches]

    @torch.no_grad()
    def losses(self) -> Float[Tensor, "patch batch"]:
        """Each patch's loss."""
        stream, n = self._stream, len(self._patches)
        resid = self._clean.resid[self._first].repeat(n, 1, 1)
        for layer in range(self._first, stream.graph.n_layers):
            resid = self._on(layer, resid)
        own = stream.lanes(resid)
        last = [
            self._seen(lane, self._world.resid[-1], own[lane])
            if stream.graph.logits in patch.receivers
            else own[lane]
            for lane, patch in enumerate(self._patches)
        ]
        return stream.losses(torch.cat(last))

    def _on(self, layer: int, resid: Resid) -> Resid:
        """The stream one layer on."""
        stream, graph = self._stream, self._stream.graph
        z = stream.mix(layer, resid, self._reads(layer, resid))
        written = stream.written(layer, z)
        after = stream.after_heads(layer, resid, written)
        read = stream.before_mlp(layer, resid, after)
        self._narrow(layer)
        if graph.parallel:
            read = self._mlp_reads(layer, read)
            self._carry_heads(layer, z, written)
        else:
            self._carry_heads(layer, z, written)
            read = self._mlp_reads(layer, read)
        out = stream.mlp(layer, read)
        self._carry_mlp(layer, out)
        return stream.after_mlp(layer, after, out)

    # What is read in place of a lane's own stream.

    def _reads(self, layer: int, resid: Resid) -> list[OtherRead]:
        """Of the heads of a layer."""
        graph, found = self._stream.graph, list[OtherRead]()
        at, own = graph.attention_receivers(layer), self._stream.lanes(resid)
        for lane, patch in enumerate(self._patches):
            heads: dict[Channel, list[int]] = {}
            for receiver in patch.receivers:
                if at.start <= receiver < at.stop and (read := graph.attention_part(receiver)):
                    heads.setdefault(read[0], []).append(read[1])
            if heads:
                seen = self._seen(lane, self._world.resid[layer], own[lane])
                found += [
                    OtherRead(lane, channel, tuple(mine), seen) for channel, mine in heads.items()
                ]
        return found

    def _mlp_reads(self, layer: int, read: Resid) -> Resid:
        """Of the MLP, in every lane."""
        stream, world, receiver = self._stream, self._world, self._stream.graph.mlp_receiver(layer)
        readers = [n for n, patch in enumerate(self._patches) if receiver in patch.receivers]
        if not readers:
            return read
        after = stream.after_heads(layer, world.resid[layer], world.written(layer))
        of_world, read = stream.before_mlp(layer, world.resid[layer], after), read.clone()
        own = stream.lanes(read)
        for lane in readers:
            own[lane] = self._seen(lane, of_world, own[lane])
        return read

    def _seen(self, lane: int, of_world: Resid, own: Resid) -> Resid:
        """The world, or the lane's own stream and what the carriers change."""
        if self._patches[lane].carriers is None:
            return of_world
        change = self._changes[lane]
        return own if change is None else own + change

    # What carriers change.

    @torch.no_grad()
    def _before(self, patch: Patch) -> Tensor | None:
        """Ahead of the first layer, where the run is the clean one."""
        stream, clean, world = self._stream, self._clean, self._world
        change: Tensor | None = None
        for sender in world.put:
            if sender < stream.graph.n_inputs and sender in (patch.carriers or ()):
                change = _sum(change, world.put[sender] - clean.write(sender))
        for layer in range(self._first):
            change = None if change is None else stream.here(layer, change)
            if heads := self._heads(patch, layer):
                # Without post-norms nobody asks what all heads write.
                written = clean.written(layer) if stream.adapter.post_norms else clean.mlp[layer]
                change = _sum(change, self._of_heads(layer, heads, clean.z[layer], written))
            if self._is_carrier(patch, layer):
                change = _sum(change, self._of_mlp(layer, clean.mlp[layer]))
        return change

    def _narrow(self, layer: int) -> None:
        self._changes = [
            None if change is None else self._stream.here(layer, change) for change in self._changes
        ]

    def _carry_heads(self, layer: int, z: Heads, written: Resid) -> None:
        stream = self._stream
        for lane, patch in enumerate(self._patches):
            if heads := self._heads(patch, layer):
                own = stream.lanes(z)[lane], stream.lanes(written)[lane]
                change = self._of_heads(layer, heads, *own)
                self._changes[lane] = _sum(self._changes[lane], change)

    def _carry_mlp(self, layer: int, out: Resid) -> None:
        for lane, patch in enumerate(self._patches):
            if self._is_carrier(patch, layer):
                change = self._of_mlp(layer, self._stream.lanes(out)[lane])
                self._changes[lane] = _sum(self._changes[lane], change)

    def _heads(self, patch: Patch, layer: int) -> list[int]:
        """The heads of a layer that are carriers."""
        senders = self._stream.graph.head_senders(layer)
        mine = (n - senders.start for n in patch.carriers or () if n >= senders.start)
        return [head for head in mine if head < self._stream.graph.n_heads]

    def _is_carrier(self, patch: Patch, layer: int) -> bool:
        return self._stream.graph.mlp_sender(layer) in (patch.carriers or ())

    def _of_heads(self, layer: int, heads: Sequence[int], z: Heads, written: Resid) -> Resid:
        """The change of some heads of a layer, from what a run mixes and writes there."""
        stream, world = self._stream, self._world
        start, mixed = stream.graph.head_senders(layer).start, torch.zeros_like(z)
        mixed[:, list(heads)] = world.z[layer][:, list(heads)] - z[:, list(heads)]
        change = stream.adapter.attn_sum(layer, mixed)
        for head in heads:
            if start + head in world.put:
                change = change + stream.here(layer, world.put[start + head])
        return self._normed(layer, "attn", change, written)

    def _of_mlp(self, layer: int, out: Resid) -> Resid:
        return self._normed(layer, "mlp", self._world.mlp[layer] - out, out)

    def _normed(self, layer: int, sublayer: Sublayer, change: Resid, own: Resid) -> Resid:
        """What a change of a sublayer's write is worth where it is read."""
        adapter = self._stream.adapter
        if not adapter.post_norms:
            return change
        normed = adapter.post_norm(layer, sublayer, own + change)
        return normed - adapter.post_norm(layer, sublayer, own)


def _sum(change: Tensor | None, more: Tensor) -> Tensor:
    return more if change is None else change + more
