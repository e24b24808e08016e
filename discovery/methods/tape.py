"""One forward pass cut at every sublayer, ready for one backward sweep.

Each receiver has an input tensor of its own, so the sweep meets its gradient once. In families
with post-norms a sender's difference passes through the norm's Jacobian before it meets one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.engine.forward import add_const, at_positions, loss_at
from discovery.engine.graph import Graph
from discovery.engine.metrics import Objective
from discovery.models import Batch, ModelAdapter, Sublayer

Difference = Float[Tensor, "sender batch pos d_model"]
Stream = Float[Tensor, "batch pos d_model"]


@dataclass(frozen=True)
class Gradient:
    """The loss's gradient with respect to what some receivers read; `n_upstream` as theirs."""

    receivers: slice
    n_upstream: int
    grad: Float[Tensor, "receiver batch pos d_model"]


@dataclass(frozen=True)
class Pinned:
    """A sender whose write is replaced."""

    sender: int
    write: Stream


@dataclass(frozen=True)
class _PostNorm:
    """A post-norm at the point where it was applied."""

    raw: Stream
    out: Stream


@dataclass(frozen=True)
class _Attention:
    """A layer's heads, from the stream they read to what each writes."""

    stream: Stream
    normed: Stream
    per_head: tuple[Float[Tensor, "batch head pos d_model"], ...]
    out: Float[Tensor, "batch head pos d_model"]
    writes: Float[Tensor, "batch head pos d_model"]
    post: _PostNorm | None


@dataclass(frozen=True)
class _Mlp:
    stream: Stream
    out: Stream
    write: Stream
    post: _PostNorm | None


class Tape:
    """A forward pass from layer `begin` on, ready for one backward sweep.

    Attributes:
        resid: The final residual stream.
        streams: What each layer from `begin` on starts from.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        graph: Graph,
        batch: Batch,
        resid: Stream,
        *,
        begin: int = 0,
        keep: Difference | None = None,
        pinned: Pinned | None = None,
    ) -> None:
        """Run on from `resid`, the stream before layer `begin`.

        `keep` receives the raw write of every sender that runs; the pinned one's is replaced.
        """
        self._adapter, self._graph, self._batch = adapter, graph, batch
        self._begin, self._pinned = begin, pinned
        self._layers: list[tuple[_Attention, _Mlp]] = []
        self.streams: list[Stream] = []
        for layer in range(begin, graph.n_layers):
            self.streams.append(resid)
            attention = self._attend(layer, resid)
            if attention.post:
                total = attention.post.out.detach()
            else:
                total = add_const(adapter, layer, attention.writes.sum(1))
            after = resid + total
            mlp = self._mlp(layer, resid if graph.parallel else after)
            resid = after + (mlp.post.out.detach() if mlp.post else mlp.write)
            if keep is not None:
                keep[graph.head_senders(layer)] = rearrange(
                    attention.writes, "batch head pos d_model -> head batch pos d_model"
                )
                keep[graph.mlp_sender(layer)] = mlp.write
            self._layers.append((attention, mlp))
        self.resid = resid

    @torch.enable_grad()
    def _attend(self, layer: int, resid: Stream) -> _Attention:
        adapter, batch = self._adapter, self._batch
        stream = resid.detach().requires_grad_()
        normed = adapter.norm(layer, "attn", stream)
        # One input tensor per head and channel, so that each gets a gradient of its own.
        shared = normed.detach()[:, None].expand(-1, self._graph.n_heads, -1, -1)
        q_in, k_in, v_in = (shared.detach().requires_grad_() for _ in range(3))
        z = adapter.mix(
            batch,
            layer,
            adapter.project(batch, layer, "q", q_in),
            adapter.project(batch, layer, "k", k_in),
            adapter.project(batch, layer, "v", v_in),
        )
        out = adapter.head_out(layer, z)
        writes, heads = out.detach(), self._graph.head_senders(layer)
        if self._pinned and heads.start <= self._pinned.sender < heads.stop:
            writes = writes.clone()
            writes[:, self._pinned.sender - heads.start] = self._pinned.write
        post = None
        if adapter.post_norms:
            post = self._post(layer, "attn", add_const(adapter, layer, writes.sum(1)))
        return _Attention(stream, normed, (q_in, k_in, v_in), out, writes, post)

    @torch.enable_grad()
    def _mlp(self, layer: int, resid: Stream) -> _Mlp:
        stream = resid.detach().requires_grad_()
        out = self._adapter.mlp(layer, self._adapter.norm(layer, "mlp", stream))
        write = out.detach()
        if self._pinned and self._pinned.sender == self._graph.mlp_sender(layer):
            write = self._pinned.write
        post = self._post(layer, "mlp", write) if self._adapter.post_norms else None
        return _Mlp(stream, out, write, post)

    def _post(self, layer: int, sublayer: Sublayer, raw: Stream) -> _PostNorm:
        raw = raw.detach().requires_grad_()
        return _PostNorm(raw, self._adapter.post_norm(layer, sublayer, raw))

    def through_post_norms(self, difference: Difference) -> Difference:
        """What a small step along each difference changes in the stream: through the Jacobians.

        The same tensor in families without post-norms.
        """
        if not self._adapter.post_norms:
            return difference
        moved = difference.clone()
        for layer in range(self._begin, self._graph.n_layers):
            heads, row = self._graph.head_senders(layer), self._graph.mlp_sender(layer)
            for rows in (heads, slice(row, row + 1)):
                moved[rows] = self.through_post_norm(rows.start, difference[rows])
        return moved

    def through_post_norm(self, sender: int, steps: Difference) -> Difference:
        """The same for steps of one sender, or of senders that share its post-norm."""
        if not self._adapter.post_norms or sender < self._graph.n_inputs:
            return steps
        layer, within = divmod(sender - self._graph.n_inputs, self._graph.n_heads + 1)
        sublayer = self._layers[layer - self._begin][within == self._graph.n_heads]
        assert sublayer.post is not None
        return _jacobian(sublayer.post, steps)

    def gradients(self, objective: Objective, above: int = 0) -> Generator[Gradient]:
        """Gradients of the loss, summed over examples, from the logits back.

        Of the receivers that have sender `above` upstream. Uses the tape up.
        """
        graph = self._graph
        resid = self.resid.detach().requires_grad_()
        with torch.enable_grad():
            rows = at_positions(resid, objective.target.positions)
            loss = loss_at(self._adapter, objective, rows).sum()
        (grad,) = torch.autograd.grad(loss, resid)
        yield Gradient(slice(graph.logits, graph.logits + 1), graph.n_senders, grad[None])
        while self._layers:
            layer = self._begin + len(self._layers) - 1
            attention, mlp = self._layers.pop()
            receiver, n = graph.mlp_receiver(layer), graph.before_mlp(layer)
            if n <= above:
                return
            (to_mlp,) = torch.autograd.grad(mlp.out, mlp.stream, _through(mlp.post, grad))
            yield Gradient(slice(receiver, receiver + 1), n, to_mlp[None])
            if graph.before(layer) <= above:
                return
            grad_out = grad if graph.parallel else grad + to_mlp
            to_heads = _attention_gradients(attention, _through(attention.post, grad_out))
            yield Gradient(graph.attention_receivers(layer), graph.before(layer), to_heads)
            grad = grad + to_mlp + to_heads.sum(0)


def _through(post: _PostNorm | None, grad: Stream) -> Stream:
    """The gradient with respect to a sublayer's raw output."""
    if post is None:
        return grad
    return torch.autograd.grad(post.out, post.raw, grad, retain_graph=True)[0]


def _jacobian(post: _PostNorm, steps: Difference) -> Difference:
    """The norm's Jacobian times each step, by differentiating its transpose, which is linear."""
    probe = torch.zeros_like(post.out, requires_grad=True)
    with torch.enable_grad():
        (back,) = torch.autograd.grad(post.out, post.raw, probe, create_graph=True)
    moved = [
        torch.autograd.grad(back, probe, step.to(back.dtype), retain_graph=True)[0]
        for step in steps
    ]
    return torch.stack(moved).to(steps.dtype)


def _attention_gradients(
    attention: _Attention, grad: Stream
) -> Float[Tensor, "receiver batch pos d_model"]:
    """The loss's gradient with respect to each head's q, k and v input, before the norm."""
    every_head = grad[:, None].expand_as(attention.out)
    to_normed = torch.stack(torch.autograd.grad(attention.out, attention.per_head, every_head))
    each = rearrange(
        to_normed, "channel batch head pos d_model -> (channel head) batch pos d_model"
    )
    if attention.normed is attention.stream:
        return each
    return torch.autograd.grad(attention.normed, attention.stream, each, is_grads_batched=True)[0]
