"""The slow exact way, written to be read: every receiver in turn reads its own mixture.

No planning, no sharing, no batching over receivers. The engine must agree with it. A `nudge`
[sender, receiver] moves what a receiver reads from a sender that far towards its ablated value:
the loss's derivative by it is what attribution patching computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from discovery.engine.experiment import Bench, pad
from discovery.engine.forward import at_positions, inputs, run
from discovery.engine.graph import BoolMatrix

QKV = ("q", "k", "v")


@torch.no_grad()
def ablated(bench: Bench) -> Tensor:
    """Every sender's ablated write on whole prompts; a bench holds its window's alone."""
    adapter, sources = bench.experiment.adapter, [each.source for each in bench.examples]
    source = None
    if None not in sources:
        source = pad(adapter, [each for each in sources if each is not None])
    return bench.experiment.ablator.writes(bench.examples, bench.batch, source).dense


class Textbook:
    """One forward pass under a kept set; `pinned` replaces what some senders write."""

    def __init__(
        self,
        bench: Bench,
        kept: BoolMatrix,
        nudge: Tensor | None = None,
        pinned: dict[int, Tensor] | None = None,
    ) -> None:
        self.bench, self.kept, self.nudge, self.pinned = bench, kept, nudge, pinned or {}
        experiment = bench.experiment
        self.adapter, self.graph = experiment.adapter, experiment.graph
        self.toward: Tensor | None = None
        self.ablated = ablated(bench)
        if nudge is not None:
            clean = run(self.adapter, self.graph, bench.batch, experiment.dtype).writes
            self.toward = self.ablated - clean
        self.writes: list[Tensor] = []
        self.write(inputs(self.adapter, bench.batch))

    def write(self, outs: Iterable[Tensor]) -> None:
        for out in outs:
            self.writes.append(self.pinned.get(len(self.writes), out))

    def sent(self, sender: int, receiver: int) -> Tensor:
        """What `receiver` gets from `sender`."""
        kept = self.kept[sender, receiver]
        sent = self.writes[sender] if kept else self.ablated[sender]
        if self.nudge is not None and self.toward is not None:
            sent = sent + self.nudge[sender, receiver] * self.toward[sender]
        return sent

    def read(self, receiver: int) -> Tensor:
        adapter, graph = self.adapter, self.graph
        n = int(graph.n_upstream[receiver])
        x: Any = sum(self.sent(s, receiver) for s in range(graph.n_inputs))
        for layer in range(graph.n_layers):
            heads = graph.head_senders(layer)
            if heads.start < n:
                total: Any = sum(self.sent(s, receiver) for s in range(heads.start, heads.stop))
                const = adapter.attn_const(layer)
                total = total if const is None else total + const
                x = x + adapter.post_norm(layer, "attn", total)
            if (mlp := graph.mlp_sender(layer)) < n:
                x = x + adapter.post_norm(layer, "mlp", self.sent(mlp, receiver))
        return x

    def logits(self) -> Tensor:
        """Logits at the metric's positions."""
        adapter, graph, batch = self.adapter, self.graph, self.bench.batch
        for layer in range(graph.n_layers):
            first = graph.attention_receivers(layer).start
            outs: list[Tensor] = []
            for head in range(graph.n_heads):
                q, k, v = (
                    adapter.project(
                        batch,
                        layer,
                        channel,
                        adapter.norm(
                            layer, "attn", self.read(first + number * graph.n_heads + head)
                        ),
                        [head],
                    )
                    for number, channel in enumerate(QKV)
                )
                z = adapter.mix(batch, layer, q, k, v)
                outs.append(adapter.head_out(layer, z, [head])[:, 0])
            self.write(outs)
            x = self.read(graph.mlp_receiver(layer))
            self.write([adapter.mlp(layer, adapter.norm(layer, "mlp", x))])
        rows = at_positions(self.read(graph.logits), self.bench.objective.target.positions)
        return adapter.logits(adapter.norm(graph.n_layers, "logits", rows))


@torch.no_grad()
def logits(bench: Bench, kept: BoolMatrix) -> Tensor:
    """Logits at the metric's positions under a kept set."""
    return Textbook(bench, kept).logits()


def gradient_scores(bench: Bench, pinned: dict[int, Tensor] | None = None) -> Tensor:
    """Every edge's EAP score, summed over the bench, from one explicit gradient."""
    graph = bench.experiment.graph
    nudge = torch.zeros(graph.upstream.shape, dtype=bench.experiment.dtype, requires_grad=True)
    found = Textbook(bench, graph.upstream, nudge, pinned).logits()
    (scores,) = torch.autograd.grad(bench.objective.loss(found).sum(), nudge)
    return scores
