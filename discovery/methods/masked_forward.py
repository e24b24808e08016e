"""The model with every edge kept to a share: one forward and one backward pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from discovery.engine.experiment import Bench
from discovery.engine.forward import add_const, at_positions, inputs, loss_at, put_inputs
from discovery.engine.lanes import PROJECTION
from discovery.engine.parts import Stream
from discovery.engine.writes import Writes
from discovery.methods.taped import Write
from discovery.models import Sublayer


@dataclass(frozen=True)
class Block:
    """A sublayer's senders: what they write mixed, and as it is added to the stream.

    `grad` is the loss's gradient with respect to what the sublayer writes.
    """

    senders: range
    write: Write
    grad: Stream


class MaskedForward:
    """A chunk run at one share, and the loss's gradients where components write and MLPs read.

    Attributes:
        delta: Each sender's write there less its ablated one; here those of the inputs alone.
        places: What is read before each layer's attention and MLP, and by the logits.
        blocks: By layer, the attention's and the MLP's.
        of_inputs: The loss's gradient with respect to what the inputs write together.
        to_logits: And with respect to what the logits read.
        loss: The sum over examples.
        mlps: What whole MLPs write, raw.
        to_mlps: The loss's gradient with respect to what each MLP reads, through itself alone.
    """

    def __init__(self, bench: Bench, share: float) -> None:
        experiment = bench.experiment
        self.bench, self.graph, self.basis = bench, experiment.graph, experiment.basis
        self.adapter, self.share = experiment.adapter, share
        ablated = Writes(bench.ablated, bench.ablated_units)
        self.ablated = ablated
        self.delta = Writes(torch.zeros_like(bench.ablated), torch.zeros_like(bench.ablated_units))
        self.places: list[Stream] = []
        self.blocks: list[dict[Sublayer, Block]] = []
        self.mlps: list[Stream] = []
        self.to_mlps: list[Stream] = []
        self.of_inputs: Stream
        self.to_logits: Stream
        self.loss: float
        self._run()

    @torch.enable_grad()
    def _run(self) -> None:
        graph, adapter, bench, basis = self.graph, self.adapter, self.bench, self.basis
        first = inputs(adapter, bench.window.batch)
        put_inputs(graph, basis, first, *self.delta)
        for block, rows, less in zip(
            self.delta, graph.blocks(range(graph.n_inputs)), self.ablated, strict=True
        ):
            block[rows] -= less[rows]
        embeddings = range(graph.n_inputs)
        x = basis.total(embeddings, self.ablated)
        of_inputs = torch.zeros_like(x, requires_grad=True)
        x = x + self.share * (basis.total(embeddings, self.delta) + of_inputs)
        made: list[tuple[range, Write, Tensor]] = []
        reads: list[Stream] = []
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
            # A name of its own for what the MLP reads: its gradient is the MLP's alone.
            reads.append(read.view_as(read))
            write = adapter.mlp(layer, adapter.norm(layer, "mlp", reads[-1]))
            self.mlps.append(write.detach())
            x = after + self._add(layer, "mlp", range(mlp.start, mlp.stop), write, made)
        self.places.append(x.detach())
        rows = at_positions(x, bench.window.positions)
        loss = loss_at(adapter, bench.objective, rows).sum()
        self.loss = float(loss.detach())
        probes = [probe for _, _, probe in made]
        *grads, self.of_inputs, self.to_logits = torch.autograd.grad(
            loss, [*reads, *probes, of_inputs, x]
        )
        self.to_mlps, grads = grads[: len(reads)], grads[len(reads) :]
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
        adapter, basis = self.adapter, self.basis
        past = basis.past_norm(layer, sublayer)
        if past:
            whole = add_const(adapter, layer, write) if sublayer == "attn" else write
            write = adapter.post_norm(layer, sublayer, whole)
        probe = torch.zeros_like(write, requires_grad=True)
        less = basis.total(senders, self.ablated)
        raw = less + self.share * (write + probe - less)
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
