"""The model with every edge kept to a share, and the loss's gradients there.

Every receiver reads ablated + share * (written - ablated), of every sender alike: share 1 is the
clean run, share 0 the one with everything ablated. All receivers at one place of the stream read
the same, so no component is run twice, however many parts it has; a part's own gradient is that of
its write along the gradient that its component's write has.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.parts import Stream, part_writes
from discovery.engine.site import Site
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.writes import Writes
from discovery.methods.masked_forward import MaskedForward
from discovery.methods.read_gradients import Factored, ReadGradients
from discovery.methods.taped import QKV, Attention, attention_gradients, through
from discovery.methods.unit_reads import unit_reads
from discovery.models import Slope
from graph_schema.documents import Channel

TOGETHER = 256
"""Units that are met at once."""


class MaskedRun(MaskedForward):
    """Ready to be asked for gradients and differences.

    `delta` is complete once `gradients` is through.
    """

    @cached_property
    def _passed(self) -> dict[int, Tensor]:
        """By the first sender of a sublayer, differences past the norm that follows it."""
        return {}

    # Receivers.

    def gradients(self, wanted: NDArray[np.bool_]) -> Generator[tuple[list[int], ReadGradients]]:
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
            yield from self._mlp_parts(sites.mlp, wanted)
        if wanted[graph.logits]:
            yield [graph.logits], ReadGradients(self.to_logits[None])

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
            self.delta, self.graph.blocks(site.senders), found, self.ablated, strict=True
        ):
            into[rows] = write.detach() - less[rows]

    def _whole_heads(
        self, layer: int, sites: list[Site], g: Stream, wanted: NDArray[np.bool_]
    ) -> Generator[tuple[list[int], ReadGradients]]:
        """Heads that are not split, from one run."""
        adapter, graph = self.adapter, self.graph
        heads = adapter.index([site.heads[0] for site in sites])
        attention, z = self._attended(layer)
        rows = graph.rows[[site.senders.start for site in sites]].tolist()
        writes = adapter.head_out(layer, z[:, heads], [site.heads[0] for site in sites])
        self.delta.dense[adapter.index(rows)] = (
            writes.movedim(1, 0) - self.ablated.dense[adapter.index(rows)]
        )
        numbers = [[self.receivers(site, c)[0] for site in sites] for c in HEAD_CHANNELS]
        if not any(wanted[each].any() for each in numbers):
            return
        x = self.places[2 * layer]
        into = x.new_empty((len(HEAD_CHANNELS) * graph.n_heads, *x.shape))
        starts = attention_gradients(attention, g, into)
        if len(sites) < graph.n_heads:
            into = into.unflatten(0, (len(HEAD_CHANNELS), -1))[:, heads].flatten(0, 1)
        # All three channels together: a product with every sender's difference fetches it once.
        receivers = [receiver for each in numbers for receiver in each]
        yield receivers, ReadGradients(into, _of_heads(attention, starts, heads))

    @torch.enable_grad()
    def _attended(self, layer: int) -> tuple[Attention, Tensor]:
        """A layer's attention, differentiable by each head's own input, and what heads mix."""
        adapter, window = self.adapter, self.bench.window
        x = self.places[2 * layer]
        form = adapter.closed_form(layer, "attn")
        slope = None if form is None else form.at(x)
        stream = x.detach().requires_grad_(slope is None)
        normed = adapter.norm(layer, "attn", stream)
        reads = [adapter.project_apart(window.batch, layer, c, normed) for c in QKV]
        q, k, v = (read.y for read in reads)
        z = window.mix(layer, q, k, v)
        out = adapter.attn_sum(layer, z)
        return Attention(stream, normed, slope, reads, out), z.detach()

    def _mlp_parts(
        self, site: Site, wanted: NDArray[np.bool_]
    ) -> Generator[tuple[list[int], ReadGradients]]:
        """An MLP, or its parts: units by the rows that they read through where they do so."""
        layer, receivers = site.layer, self.receivers(site, Channel.R)
        x, g = self.places[2 * layer + 1], self.blocks[layer]["mlp"].grad
        whole, own = self.to_mlps[layer], self.mlps[layer]
        if site.split is None:
            self._keep(site, Writes(own[None], self.delta.units[:0]))
            yield [receivers[0]], ReadGradients(whole[None])
            return
        dictionary = self.basis.dictionary(site)
        units = torch.tensor(site.split.units, dtype=torch.long, device=x.device)
        reads = unit_reads(self.adapter, dictionary, layer, units)
        if reads is None:
            yield from self._parts(site, x, g, wanted)
            return
        parts, normed = range(len(site.senders)), self.adapter.norm(layer, "mlp", x)
        source = self.basis.of_mlp(site, x[None], normed[None], parts, own[None])
        coefficients, dense = self.basis.part_writes(site, parts, [0] * len(parts), source)
        self._keep(site, Writes(dense, coefficients))
        if not wanted[receivers.start : receivers.stop].any():
            return
        rows = self.basis.directions[self.graph.blocks(site.senders)[1]].to(x.dtype)
        along = (g @ rows.T).movedim(-1, 0)[:, None]
        slopes = reads.slopes(x)
        every = replace(slopes, factors=slopes.factors * along)
        for start in range(0, site.n_units, TOGETHER):
            some = every.take(slice(start, start + TOGETHER))
            numbers = list(receivers[start : min(start + TOGETHER, site.n_units)])
            if wanted[numbers].any():
                yield numbers, ReadGradients(None, some)
        if site.split.error:
            yield from self._parts(site, x, g, wanted, site.n_units)
        elif wanted[receivers[-1]]:
            # A basis misses nothing: what the whole has and no candidate.
            yield [receivers[-1]], ReadGradients((whole - every.total())[None])

    def _parts(
        self, site: Site, x: Stream, g: Stream, wanted: NDArray[np.bool_], first: int = 0
    ) -> Generator[tuple[list[int], ReadGradients]]:
        """A site's parts from number `first` on: each by a backward pass of its write along g."""
        channels = HEAD_CHANNELS if site.heads else (Channel.R,)
        with torch.enable_grad():
            leaves = {channel: x.clone().requires_grad_() for channel in channels}
            found = part_writes(self.basis, self.bench.window, site, leaves)
            along = self.along(site, found, g)
        self._keep(site, found)
        numbers = {channel: self.receivers(site, channel) for channel in channels}
        asked = [
            part
            for part in range(first, len(site.senders))
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
                ReadGradients(torch.stack([each[place] for each in grads])),
            )

    def along(self, site: Site, writes: Writes, g: Stream) -> Float[Tensor, "part lane_batch pos"]:
        """What a site's parts write, along a gradient of its component's write."""
        rows = self.graph.blocks(site.senders)[1]
        slopes = (g @ self.basis.directions[rows].to(g.dtype).T).movedim(-1, 0)
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
        self._meet(range(self.graph.n_inputs), ReadGradients(self.of_inputs[None]), found)
        for layer in self.blocks:
            for block in layer.values():
                self._meet(block.senders, ReadGradients(block.grad[None]), found)
        return found[:, 0] / self.share

    def contract(
        self, receivers: list[int], reads: ReadGradients
    ) -> Float[Tensor, "sender receiver"]:
        """What the loss's gradient makes of each sender's difference, for receivers of one place.

        That is the derivative of the loss by the share of each edge. In families with norms after
        sublayers differences go through the Jacobians of those that they pass on the way.
        """
        graph = self.graph
        n = int(graph.n_upstream[receivers[0]])
        found = self.of_inputs.new_zeros((graph.n_senders, len(receivers)))
        if not self.adapter.post_norms:
            self._meet(range(n), reads, found)
            return found
        self._meet(range(graph.n_inputs), reads, found)
        for layer in self.blocks:
            for block in layer.values():
                if block.senders.start >= n:
                    return found
                mine, past = reads, block.write.slope
                if past is None and block.write.added is not block.write.raw:
                    mine = ReadGradients(
                        torch.stack([through(block.write, grad) for grad in reads.in_full])
                    )
                self._meet(block.senders, mine, found, past)
        return found

    def _meet(
        self, senders: range, reads: ReadGradients, into: Tensor, past: Slope | None = None
    ) -> None:
        """Write differences of some senders times gradients over their rows."""
        dense, directed = self.graph.blocks(senders)
        numbers = np.arange(senders.start, senders.stop)
        kinds = self.graph.directed[numbers]
        if dense.stop > dense.start:
            index = torch.from_numpy(numbers[~kinds]).to(into.device)
            differences = self.delta.dense[dense]
            if past is not None:
                # Once for all that read them.
                if senders.start not in self._passed:
                    self._passed[senders.start] = past.forward(differences)
                differences = self._passed[senders.start]
            into[index] = reads.meet_dense(differences)
        if directed.stop > directed.start:
            index = torch.from_numpy(numbers[kinds]).to(into.device)
            rows = self.basis.directions[directed].to(into.dtype)
            into[index] = reads.meet(self.delta.units[directed], rows, past)


def _of_heads(
    attention: Attention, starts: Sequence[Tensor], heads: slice | Tensor
) -> Factored | None:
    """Gradients of some heads' q, k and v inputs by the rows of their projections.

    `starts` are with respect to what the projections give. None where a norm stands between.
    """
    weights = [read.weight for read in attention.reads]
    if attention.slope is None and attention.normed is not attention.stream:
        return None
    rows: list[Tensor] = []
    for weight, start in zip(weights, starts, strict=True):
        if weight is None:
            return None
        group = start.shape[1] // weight.shape[0]
        rows.append(weight.repeat_interleave(group, 0)[heads].to(start.dtype))
    factors = torch.cat([start[:, heads].permute(1, 3, 0, 2) for start in starts])
    return Factored(factors, torch.cat(rows), attention.slope)
