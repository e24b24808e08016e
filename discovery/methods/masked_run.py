"""The model with every edge kept to a share, and the loss's gradients there.

Every receiver reads ablated + share * (written - ablated), of every sender alike: share 1 is the
clean run, share 0 the one with everything ablated. All receivers at one place of the stream read
the same, so no component is run twice, however many parts it has; a part's own gradient is that of
its write along the gradient that its component's write has.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.forward import add_const, at_positions, inputs, loss_at, put_inputs
from discovery.engine.lanes import PROJECTION
from discovery.engine.parts import Stream, part_writes
from discovery.engine.site import Site
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.writes import Writes
from discovery.methods.taped import Write, through
from discovery.models import Sublayer
from graph_schema.documents import Channel

Reads = Float[Tensor, "receiver batch pos d_model"]


@dataclass(frozen=True)
class Block:
    """A sublayer's senders: what they write mixed, and as it is added to the stream.

    `grad` is the loss's gradient with respect to what the sublayer writes.
    """

    senders: range
    write: Write
    grad: Stream


class MaskedRun:
    """A chunk run at one share, ready to be asked for gradients and differences.

    Attributes:
        delta: Each sender's write there less its ablated one; complete once `gradients` is through.
        places: What is read before each layer's attention and MLP, and by the logits.
        blocks: By layer, the attention's and the MLP's.
        of_inputs: The loss's gradient with respect to what the inputs write together.
        to_logits: And with respect to what the logits read.
        loss: The sum over examples.
    """

    def __init__(self, bench: Bench, share: float) -> None:
        experiment = bench.experiment
        self.bench, self.graph, self._basis = bench, experiment.graph, experiment.basis
        self._adapter, self._share = experiment.adapter, share
        ablated = Writes(bench.ablated, bench.ablated_units)
        self._ablated = ablated
        self.delta = Writes(torch.zeros_like(bench.ablated), torch.zeros_like(bench.ablated_units))
        self.places: list[Stream] = []
        self.blocks: list[dict[Sublayer, Block]] = []
        self.of_inputs: Stream
        self.to_logits: Stream
        self.loss: float
        self._run()

    @torch.enable_grad()
    def _run(self) -> None:
        graph, adapter, bench, basis = self.graph, self._adapter, self.bench, self._basis
        first = inputs(adapter, bench.window.batch)
        put_inputs(graph, basis, first, *self.delta)
        for block, rows, less in zip(
            self.delta, graph.blocks(range(graph.n_inputs)), self._ablated, strict=True
        ):
            block[rows] -= less[rows]
        embeddings = range(graph.n_inputs)
        x = basis.total(embeddings, self._ablated)
        of_inputs = torch.zeros_like(x, requires_grad=True)
        x = x + self._share * (basis.total(embeddings, self.delta) + of_inputs)
        made: list[tuple[range, Write, Tensor]] = []
        for layer in range(graph.n_layers):
            self.places.append(x.detach())
            normed = adapter.norm(layer, "attn", x)
            q, k, v = (
                adapter.project(bench.window.batch, layer, c, normed) for c in PROJECTION.values()
            )
            write = adapter.attn_sum(layer, bench.window.mix(layer, q, k, v))
            heads, mlp = graph.head_senders(layer), graph.mlp_senders(layer)
            after = x + self._add(layer, "attn", range(heads.start, heads.stop), write, made)
            read = x if graph.parallel else after
            self.places.append(read.detach())
            write = adapter.mlp(layer, adapter.norm(layer, "mlp", read))
            x = after + self._add(layer, "mlp", range(mlp.start, mlp.stop), write, made)
        self.places.append(x.detach())
        rows = at_positions(x, bench.window.positions)
        loss = loss_at(adapter, bench.objective, rows).sum()
        self.loss = float(loss.detach())
        probes = [probe for _, _, probe in made]
        *grads, self.of_inputs, self.to_logits = torch.autograd.grad(loss, [*probes, of_inputs, x])
        found = [
            Block(senders, write, grad)
            for (senders, write, _), grad in zip(made, grads, strict=True)
        ]
        self.blocks = [
            {"attn": attn, "mlp": mlp} for attn, mlp in zip(found[::2], found[1::2], strict=True)
        ]

    def _add(
        self,
        layer: int,
        sublayer: Sublayer,
        senders: range,
        write: Stream,
        made: list[tuple[range, Write, Tensor]],
    ) -> Stream:
        """What a sublayer adds to the stream that is read, from its write; noted in `made`."""
        adapter, basis = self._adapter, self._basis
        past = basis.past_norm(layer, sublayer)
        if past:
            whole = add_const(adapter, layer, write) if sublayer == "attn" else write
            write = adapter.post_norm(layer, sublayer, whole)
        probe = torch.zeros_like(write, requires_grad=True)
        less = basis.total(senders, self._ablated)
        raw = less + self._share * (write + probe - less)
        if past or not adapter.post_norms:
            added = raw if past or sublayer == "mlp" else add_const(adapter, layer, raw)
            still = added.detach()
            made.append((senders, Write(still, still), probe))
            return added
        raw = add_const(adapter, layer, raw) if sublayer == "attn" else raw
        form = adapter.closed_form(layer, sublayer, after=True)
        if form is not None:
            still = raw.detach()
            noted = Write(still, adapter.post_norm(layer, sublayer, still), form.at(still))
        else:
            leaf = raw.detach().requires_grad_()
            noted = Write(leaf, adapter.post_norm(layer, sublayer, leaf))
        made.append((senders, noted, probe))
        return adapter.post_norm(layer, sublayer, raw)

    # Receivers.

    def gradients(self, wanted: NDArray[np.bool_]) -> Generator[tuple[list[int], Reads]]:
        """The loss's gradients with respect to what the wanted receivers read, layer by layer.

        When a receiver's comes, `delta` has all that it can read.
        """
        graph = self.graph
        for layer, sites in enumerate(graph.layers):
            g = self.blocks[layer]["attn"].grad
            whole = [site for site in sites.attention if site.split is None]
            if whole:
                yield from self._whole_heads(layer, whole, g, wanted)
            for site in sites.attention:
                if site.split is not None:
                    yield from self._parts(site, self.places[2 * layer], g, wanted)
            g = self.blocks[layer]["mlp"].grad
            yield from self._parts(sites.mlp, self.places[2 * layer + 1], g, wanted)
        if wanted[graph.logits]:
            yield [graph.logits], self.to_logits[None]

    def receivers(self, site: Site, channel: Channel) -> range:
        """Those of a site's parts on a channel."""
        if channel is Channel.R:
            start = self.graph.mlp_receivers(site.layer).start
        else:
            before = self.graph.layers[site.layer].before
            start = self.graph.head_receivers(site.layer, channel).start
            start += site.senders.start - before
        return range(start, start + len(site.senders))

    def _keep(self, site: Site, found: Writes) -> None:
        """Note what a site's parts write, less what they do ablated."""
        for into, rows, write, less in zip(
            self.delta, self.graph.blocks(site.senders), found, self._ablated, strict=True
        ):
            into[rows] = write.detach() - less[rows]

    def _whole_heads(
        self, layer: int, sites: list[Site], g: Stream, wanted: NDArray[np.bool_]
    ) -> Generator[tuple[list[int], Reads]]:
        """Heads that are not split: one run, each with a copy of the input as its own."""
        adapter, window, heads = self._adapter, self.bench.window, [site.heads[0] for site in sites]
        x = self.places[2 * layer]
        with torch.enable_grad():
            leaves = [
                x[:, None].expand(-1, len(heads), -1, -1).clone().requires_grad_()
                for _ in HEAD_CHANNELS
            ]
            q, k, v = (
                adapter.project(
                    window.batch, layer, PROJECTION[c], adapter.norm(layer, "attn", leaf), heads
                )
                for c, leaf in zip(HEAD_CHANNELS, leaves, strict=True)
            )
            writes = adapter.head_out(layer, window.mix(layer, q, k, v, heads), heads)
            along = (writes * g[:, None]).sum()
        for site, write in zip(sites, writes.detach().unbind(1), strict=True):
            self._keep(site, Writes(write[None], self.delta.units[:0]))
        numbers = [[self.receivers(site, c)[0] for site in sites] for c in HEAD_CHANNELS]
        if not any(wanted[each].any() for each in numbers):
            return
        for receivers, grad in zip(numbers, torch.autograd.grad(along, leaves), strict=True):
            yield receivers, grad.movedim(1, 0)

    def _parts(
        self, site: Site, x: Stream, g: Stream, wanted: NDArray[np.bool_]
    ) -> Generator[tuple[list[int], Reads]]:
        """A site's parts, from one run of it: each by its own write along the gradient."""
        channels = HEAD_CHANNELS if site.heads else (Channel.R,)
        with torch.enable_grad():
            leaves = {channel: x.clone().requires_grad_() for channel in channels}
            found = part_writes(self._basis, self.bench.window, site, leaves)
            along = self.along(site, found, g)
        self._keep(site, found)
        numbers = {channel: self.receivers(site, channel) for channel in channels}
        asked = [
            part
            for part in range(len(site.senders))
            if any(wanted[numbers[c][part]] for c in channels)
        ]
        if not asked:
            return
        grads = [
            torch.autograd.grad(
                along[part].sum(),
                list(leaves.values()),
                retain_graph=part != asked[-1],
                materialize_grads=True,
            )
            for part in asked
        ]
        for place, channel in enumerate(channels):
            yield (
                [numbers[channel][part] for part in asked],
                torch.stack([each[place] for each in grads]),
            )

    def along(self, site: Site, writes: Writes, g: Stream) -> Float[Tensor, "part lane_batch pos"]:
        """What a site's parts write, along a gradient of its component's write."""
        rows = self.graph.blocks(site.senders)[1]
        slopes = (g @ self._basis.directions[rows].to(g.dtype).T).movedim(-1, 0)
        n = writes.dense.shape[1] // g.shape[0]
        dense = (writes.dense * g.repeat(n, 1, 1)).sum(-1)
        return torch.cat([writes.units * slopes.repeat(1, n, 1), dense])

    # Senders, and edges.

    def slopes(self) -> Float[Tensor, " sender"]:
        """The loss's derivative by the share of all of a sender's edges together.

        For a run at a share that is not 0.
        """
        for _ in self.gradients(np.zeros(self.graph.n_receivers, dtype=np.bool_)):
            pass
        found = self.of_inputs.new_zeros((self.graph.n_senders, 1))
        self._meet(range(self.graph.n_inputs), self.of_inputs[None], found)
        for layer in self.blocks:
            for block in layer.values():
                self._meet(block.senders, block.grad[None], found)
        return found[:, 0] / self._share

    def contract(self, receivers: list[int], grads: Reads) -> Float[Tensor, "sender receiver"]:
        """What the loss's gradient makes of each sender's difference, for receivers of one place.

        That is the derivative of the loss by the share of each edge. In families with norms after
        sublayers gradients go back through those that senders' writes pass on the way.
        """
        graph = self.graph
        n = int(graph.n_upstream[receivers[0]])
        found = grads.new_zeros((graph.n_senders, len(receivers)))
        if not self._adapter.post_norms:
            self._meet(range(n), grads, found)
            return found
        self._meet(range(graph.n_inputs), grads, found)
        for layer in self.blocks:
            for block in layer.values():
                if block.senders.start >= n:
                    return found
                mine = grads
                if block.write.slope is not None:
                    mine = block.write.slope.backward(grads)
                elif block.write.added is not block.write.raw:
                    mine = torch.stack([through(block.write, grad) for grad in grads])
                self._meet(block.senders, mine, found)
        return found

    def _meet(self, senders: range, grads: Reads, into: Tensor) -> None:
        """Write differences of some senders times gradients over their rows."""
        dense, directed = self.graph.blocks(senders)
        numbers = np.arange(senders.start, senders.stop)
        kinds = self.graph.directed[numbers]
        flat = grads.flatten(1)
        if dense.stop > dense.start:
            index = torch.from_numpy(numbers[~kinds]).to(into.device)
            into[index] = self.delta.dense[dense].flatten(1) @ flat.T
        if directed.stop > directed.start:
            index = torch.from_numpy(numbers[kinds]).to(into.device)
            rows = self._basis.directions[directed].to(grads.dtype)
            slopes = grads @ rows.T
            into[index] = torch.einsum("rbpu,ubp->ur", slopes, self.delta.units[directed])
