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
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.parts import Stream, part_writes
from discovery.engine.site import Site
from discovery.engine.sites import HEAD_CHANNELS
from discovery.engine.unembedding import losses_at
from discovery.methods.attribution import check_finite
from discovery.methods.masked_run import MaskedRun
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
        """Scores of each place's receivers and some senders."""
        graph, run = self._graph, self._run
        for layer, sites in enumerate(graph.layers):
            for site in (*sites.attention, sites.mlp):
                place = 2 * layer + (0 if site.heads else 1)
                sublayer = "attn" if site.heads else "mlp"
                x, g = run.places[place], run.blocks[layer][sublayer].grad
                channels = HEAD_CHANNELS if site.heads else (Channel.R,)
                clean = part_writes(
                    self._basis, self._bench.window, site, dict.fromkeys(channels, x)
                )
                before = run.along(site, clean, g).sum((1, 2))
                for channel in channels:
                    receivers = list(run.receivers(site, channel))
                    for senders, moved in self._without(asked, receivers, x):
                        after = self._first_leg(site, channel, x, moved, g)
                        yield receivers, senders, after - before
        receivers = [graph.logits]
        positions = self._bench.window.positions
        rows = torch.arange(len(positions), device=positions.device)[:, None]
        objective = self._bench.objective
        for senders, moved in self._without(asked, receivers, run.places[-1]):
            lasts = moved[:, rows, positions]
            losses = losses_at(self._adapter, objective, lasts).sum(1)
            yield receivers, senders, (losses - run.loss)[:, None]

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
            yield senders, torch.stack([self._away(sender, x) for sender in senders])

    def _away(self, sender: int, x: Stream) -> Stream:
        graph, run = self._graph, self._run
        row = int(graph.rows[sender])
        if graph.directed[sender]:
            gone = run.delta.units[row, :, :, None] * self._basis.directions[row].to(x.dtype)
        else:
            gone = run.delta.dense[row]
        layer = int(graph.sender_layers[sender])
        if layer < 0 or not self._adapter.post_norms:
            return x - gone
        sublayer = "mlp" if sender >= graph.mlp_senders(layer).start else "attn"
        write = run.blocks[layer][sublayer].write
        if self._basis.past_norm(layer, sublayer):
            return x - gone
        return x + (self._adapter.post_norm(layer, sublayer, write.raw - gone) - write.added)
