"""The two-leg score of an edge: its first leg exact, its second linear.

    [a_v(x - Δu) - a_v(x)] · (d_v · g)

u is ablated in what v reads, and what that changes in v's own write meets the loss's gradient with
respect to the component's write. Thresholds have no gradient: a unit that ablation would switch on
or off is seen here, and by attribution not. For the logits the second leg is the loss itself, so
there the score is exact.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.dictionaries.neurons import NeuronBasis
from discovery.engine.experiment import Bench, Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.lanes import PROJECTION
from discovery.engine.parts import Stream, part_writes
from discovery.engine.site import Site
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.unembedding import losses_at
from discovery.methods.attribution import check_finite
from discovery.methods.masked_run import MaskedRun
from discovery.methods.unit_reads import UnitsAt, neuron_reads, unit_reads
from discovery.models import Sublayer
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Channel, Metric

POSITIONS = 2048
"""Positions, of tries side by side, that are computed together."""


def two_leg(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    only: BoolMatrix | None = None,
    chunk: int | None = None,
    progress: Report | None = None,
) -> NDArray[np.float32]:
    """Every edge's two-leg score; mean over pairs, in the edge list's order.

    In the metric's units, positive where the behaviour relies on the edge. Edges that are not in
    `only` get 0. A component is run once for each sender and channel, whatever its parts are.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    assert experiment.metric is not Metric.KL, "the gradient of kl at the clean run is zero"
    graph = experiment.graph
    asked = graph.upstream if only is None else only & graph.upstream
    total, n_examples = np.zeros((graph.n_senders, graph.n_receivers)), 0
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs, tape=True))
    for number, examples in enumerate(chunks):
        if progress:
            progress(number, len(chunks))
        legs = _Legs(experiment.bench(examples))
        n_examples += len(examples)
        for receivers, senders, found in legs.scores(asked):
            total[np.ix_(senders, receivers)] += found.cpu().double().numpy()
    mean = np.where(asked, graph.joint(total), 0) / n_examples
    scores = graph.to_list(mean).astype(np.float32)
    check_finite(graph, scores)
    return scores


_ALONG = "lane batch head pos d_head, batch head pos d_head -> lane head"


class _Legs:
    """A chunk's clean run, from which single senders are taken out of what is read."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._basis = bench, bench.experiment.basis
        self._adapter, self._graph = bench.experiment.adapter, bench.experiment.graph
        self._run = MaskedRun(bench, 1.0)
        for _ in self._run.gradients(np.zeros(self._graph.n_receivers, dtype=np.bool_)):
            pass

    @torch.no_grad()
    def scores(
        self, asked: BoolMatrix
    ) -> Generator[tuple[list[int], list[int], Float[Tensor, "sender receiver"]]]:
        """Scores of some receivers of one place, and some senders."""
        graph, run = self._graph, self._run
        for layer, sites in enumerate(graph.layers):
            whole = [site for site in sites.attention if site.split is None]
            if whole:
                yield from self._heads(layer, whole, asked)
            for site in sites.attention:
                if site.split is not None:
                    yield from self._parts(site, asked)
            yield from self._mlp(sites.mlp, asked)
        receivers = [graph.logits]
        positions = self._bench.window.positions
        rows = torch.arange(len(positions), device=positions.device)[:, None]
        objective = self._bench.objective
        for senders, moved in self._without(asked, receivers, run.places[-1]):
            lasts = moved[:, rows, positions]
            losses = losses_at(self._adapter, objective, lasts).sum(1)
            yield receivers, senders, (losses - run.loss)[:, None]

    def _heads(
        self, layer: int, sites: list[Site], asked: BoolMatrix
    ) -> Generator[tuple[list[int], list[int], Float[Tensor, "sender receiver"]]]:
        """Heads that are not split: together, as each reads the same."""
        adapter, run, window = self._adapter, self._run, self._bench.window
        heads = [site.heads[0] for site in sites]
        x, g = run.places[2 * layer], run.blocks[layer]["attn"].grad
        slopes = einsum(
            g,
            adapter.out_weights(layer)[adapter.index(heads)].to(g.dtype),
            "batch pos d_model, head d_head d_model -> batch head pos d_head",
        )
        normed = adapter.norm(layer, "attn", x)
        clean = [
            adapter.project(window.batch, layer, name, normed, heads)
            for name in PROJECTION.values()
        ]
        with torch.enable_grad():
            values = clean[-1].detach().requires_grad_()
            z = window.mix(layer, clean[0], clean[1], values, heads)
            along = (z * slopes).sum((0, 2, 3))
            # What is mixed is linear in values, so their gradient says all.
            (by_value,) = torch.autograd.grad(along.sum(), values)
        before = along.detach()
        for number, channel in enumerate(HEAD_CHANNELS):
            receivers = [run.receivers(site, channel)[0] for site in sites]
            for senders, moved in self._without(asked, receivers, x):
                n = len(senders)
                beside = window.beside(n)
                normed = adapter.norm(layer, "attn", moved.flatten(0, 1))
                found = adapter.project(beside.batch, layer, PROJECTION[channel], normed, heads)
                if channel is Channel.V:
                    changed = found.unflatten(0, (n, -1)) - clean[-1]
                    yield receivers, senders, einsum(changed, by_value, _ALONG)
                    continue
                every = [each.repeat(n, 1, 1, 1) for each in clean]
                every[number] = found
                q, k, v = every
                z = beside.mix(layer, q, k, v, heads).unflatten(0, (n, -1))
                yield receivers, senders, einsum(z, slopes, _ALONG) - before

    def _mlp(
        self, site: Site, asked: BoolMatrix
    ) -> Generator[tuple[list[int], list[int], Float[Tensor, "sender receiver"]]]:
        """An MLP or its parts: by inner products where units read it through a norm and rows."""
        adapter, run, layer = self._adapter, self._run, site.layer
        receivers = list(run.receivers(site, Channel.R))
        x, g = run.places[2 * layer + 1], run.blocks[layer]["mlp"].grad
        dictionary = None if site.split is None else self._basis.dictionary(site)
        neurons = dictionary is None or isinstance(dictionary, NeuronBasis)
        units = torch.tensor(() if site.split is None else site.split.units, device=x.device)
        units = units.long()
        # What a whole MLP, or the rest of its neurons, does is the sum over all of them.
        every = neurons and bool(asked[:, receivers[-1]].any())
        if neurons:
            reads = neuron_reads(adapter, layer, None if every else units)
            directions = adapter.mlp_weights(layer).down
            directions = directions if every else directions[units]
        else:
            assert dictionary is not None, "without one there are neurons"
            reads = unit_reads(adapter, dictionary, layer, units)
            directions = self._basis.directions[self._graph.blocks(site.senders)[1]]
        if reads is None:
            yield from self._parts(site, asked)
            return
        mine = receivers if neurons else receivers[: site.n_units]
        at = reads.at(x, g @ directions.to(g.dtype).T)
        for senders, found in self._unit_legs(asked, mine, at):
            if every:
                candidates = found[:, units]
                rest = found.sum(1) - candidates.sum(1)
                found = torch.cat([candidates, rest[:, None]], 1)
            yield (mine if every else receivers[: site.n_units]), senders, found
        if not neurons:
            yield from self._parts(site, asked, site.n_units)

    def _unit_legs(
        self, asked: BoolMatrix, receivers: list[int], at: UnitsAt
    ) -> Generator[tuple[list[int], Float[Tensor, "sender unit"]]]:
        """What units do without each sender asked for, along the gradient, some at a time."""
        graph, run = self._graph, self._run
        wanted = np.flatnonzero(asked[:, receivers].any(axis=1))
        # Past a norm of their sublayer directed writes are not along one direction any more.
        plain = graph.directed[wanted] & ~self._passes_norm(wanted)
        units, dense = wanted[plain].tolist(), wanted[~plain].tolist()
        if units:
            rows = torch.from_numpy(graph.rows[units])
            directions = self._basis.directions[rows].to(run.delta.units.dtype)
            yield units, at.without_units(run.delta.units[rows], directions)
        together = max(1, POSITIONS // (run.places[0].shape[0] * run.places[0].shape[1]))
        for start in range(0, len(dense), together):
            some = dense[start : start + together]
            yield some, at.without(torch.stack([self._gone(sender) for sender in some]))

    def _parts(
        self, site: Site, asked: BoolMatrix, first: int = 0
    ) -> Generator[tuple[list[int], list[int], Float[Tensor, "sender receiver"]]]:
        """A site's parts from number `first` on: the component run once for each sender."""
        run, layer = self._run, site.layer
        x = run.places[2 * layer + (0 if site.heads else 1)]
        g = run.blocks[layer]["attn" if site.heads else "mlp"].grad
        channels = HEAD_CHANNELS if site.heads else (Channel.R,)
        clean = part_writes(self._basis, self._bench.window, site, dict.fromkeys(channels, x))
        before = run.along(site, clean, g).sum((1, 2))[first:]
        for channel in channels:
            receivers = list(run.receivers(site, channel))[first:]
            for senders, moved in self._without(asked, receivers, x):
                after = self._first_leg(site, channel, x, moved, g)[:, first:]
                yield receivers, senders, after - before

    def _first_leg(
        self, site: Site, channel: Channel, x: Stream, moved: Tensor, g: Stream
    ) -> Float[Tensor, "try part"]:
        """What each part writes, along the gradient, where one channel reads each try."""
        n = len(moved)
        channels = HEAD_CHANNELS if site.heads else (Channel.R,)
        reads = {
            each: moved.flatten(0, 1) if each is channel else x.repeat(n, 1, 1) for each in channels
        }
        found = part_writes(self._basis, self._bench.window.beside(n), site, reads)
        return self._run.along(site, found, g).unflatten(1, (n, -1)).sum((2, 3)).T

    def _without(
        self, asked: BoolMatrix, receivers: list[int], x: Stream
    ) -> Generator[tuple[list[int], Float[Tensor, "try batch pos d_model"]]]:
        """What is read at a place without each of the senders asked for, some at a time."""
        wanted = np.flatnonzero(asked[:, receivers].any(axis=1)).tolist()
        together = max(1, POSITIONS // (x.shape[0] * x.shape[1]))
        for start in range(0, len(wanted), together):
            senders = wanted[start : start + together]
            yield senders, torch.stack([x - self._gone(sender) for sender in senders])

    def _passes_norm(self, senders: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whose writes pass a norm of their sublayer before others read them."""
        graph = self._graph
        layers = graph.sender_layers[senders]
        if not self._adapter.post_norms:
            return np.zeros(len(senders), dtype=np.bool_)
        past = [
            layer < 0 or self._basis.past_norm(layer, self._sublayer(sender, layer))
            for sender, layer in zip(senders.tolist(), layers.tolist(), strict=True)
        ]
        return ~np.array(past, dtype=np.bool_)

    def _sublayer(self, sender: int, layer: int) -> Sublayer:
        return "mlp" if sender >= self._graph.mlp_senders(layer).start else "attn"

    def _gone(self, sender: int) -> Stream:
        """What is missing of the stream without a sender's difference from what is ablated."""
        graph, run = self._graph, self._run
        row = int(graph.rows[sender])
        if graph.directed[sender]:
            direction = self._basis.directions[row].to(run.delta.units.dtype)
            gone = run.delta.units[row, :, :, None] * direction
        else:
            gone = run.delta.dense[row]
        if not self._passes_norm(np.array([sender]))[0]:
            return gone
        layer = int(graph.sender_layers[sender])
        sublayer = self._sublayer(sender, layer)
        write = run.blocks[layer][sublayer].write
        return write.added - self._adapter.post_norm(layer, sublayer, write.raw - gone)
