"""One forward pass cut at every sublayer, ready for one backward sweep.

Each receiver has an input tensor of its own, so the sweep meets its gradient once. In families
with post-norms a sender's difference passes through the norm's Jacobian before it meets one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.forward import add_const, at_positions, loss_at, put_heads
from discovery.engine.graph import Graph
from discovery.engine.metrics import Objective, wide
from discovery.models import Apart, Batch, ModelAdapter, Qkv, Sublayer

Difference = Float[Tensor, "sender batch pos d_model"]
Stream = Float[Tensor, "batch pos d_model"]
QKV: tuple[Qkv, ...] = ("q", "k", "v")


@dataclass(frozen=True)
class Gradient:
    """The loss's gradient with respect to what some receivers read.

    `n_upstream` is the most senders that one of them has. `grad` is overwritten by the next one.
    """

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
    """A layer's heads: the stream, their q, k and v, and what they write together."""

    stream: Stream
    normed: Stream
    reads: list[Apart]
    out: Stream
    write: Stream
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
        less: Difference | None = None,
        pinned: Pinned | None = None,
    ) -> None:
        """Run on from `resid`, the stream before layer `begin`.

        Every raw write is subtracted from `less`, in place; the pinned sender's is replaced.
        """
        self._adapter, self._graph, self._batch = adapter, graph, batch
        self._begin, self._less, self._pinned = begin, less, pinned
        self._layers: list[tuple[_Attention, _Mlp]] = []
        self.streams: list[Stream] = []
        for layer in range(begin, graph.n_layers):
            self.streams.append(resid)
            attention = self._attend(layer, resid)
            after = resid + (attention.post.out.detach() if attention.post else attention.write)
            mlp = self._mlp(layer, resid if graph.parallel else after)
            resid = after + (mlp.post.out.detach() if mlp.post else mlp.write)
            self._layers.append((attention, mlp))
        self.resid = resid

    @torch.enable_grad()
    def _attend(self, layer: int, resid: Stream) -> _Attention:
        adapter, batch = self._adapter, self._batch
        stream = resid.detach().requires_grad_()
        normed = adapter.norm(layer, "attn", stream)
        reads = [adapter.project_apart(batch, layer, channel, normed) for channel in QKV]
        z = adapter.mix(batch, layer, *(read.y for read in reads))
        # Every head's write has the gradient of their sum.
        out = adapter.attn_sum(layer, z)
        write = add_const(adapter, layer, self._wrote(layer, z.detach(), out.detach()))
        post = self._post(layer, "attn", write) if adapter.post_norms else None
        return _Attention(stream, normed, reads, out, write, post)

    @torch.no_grad()
    def _wrote(
        self, layer: int, z: Float[Tensor, "batch head pos d_head"], write: Stream
    ) -> Stream:
        """What a layer's heads write together, the pinned one's replaced."""
        heads = self._graph.head_senders(layer)
        if self._less is not None:
            put_heads(self._adapter, layer, z, self._less[heads], subtract=True)
        if self._pinned and heads.start <= self._pinned.sender < heads.stop:
            head = self._pinned.sender - heads.start
            own = self._adapter.head_out(layer, z[:, [head]], [head])[:, 0]
            write = write + (self._pinned.write - own)
        return write

    @torch.enable_grad()
    def _mlp(self, layer: int, resid: Stream) -> _Mlp:
        stream = resid.detach().requires_grad_()
        out = self._adapter.mlp(layer, self._adapter.norm(layer, "mlp", stream))
        write, sender = out.detach(), self._graph.mlp_sender(layer)
        if self._less is not None:
            self._less[sender].sub_(write)
        if self._pinned and self._pinned.sender == sender:
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

    def gradients(self, objective: Objective) -> Generator[Gradient]:
        """Gradients of the loss, summed over examples, from the logits back. Uses the tape up.

        An MLP's comes together with that of its neighbours behind it in the list of receivers: the
        logits, or the heads of the layer above.
        """
        graph, heads = self._graph, slice(1, 1 + 3 * self._graph.n_heads)
        resid = self.resid.detach().requires_grad_()
        with torch.enable_grad():
            rows = at_positions(resid, objective.target.positions)
            loss = loss_at(self._adapter, objective, rows).sum()
        (grad,) = torch.autograd.grad(loss, resid)
        # One buffer for all layers, an MLP's gradient in front.
        found = torch.empty((heads.stop, *grad.shape), dtype=wide(grad.dtype), device=grad.device)
        found[1], n_found, n_upstream = grad, 2, graph.n_senders
        while self._layers:
            layer = self._begin + len(self._layers) - 1
            attention, mlp = self._layers.pop()
            receiver = graph.mlp_receiver(layer)
            (found[0],) = torch.autograd.grad(mlp.out, mlp.stream, _through(mlp.post, grad))
            yield Gradient(slice(receiver, receiver + n_found), n_upstream, found[:n_found])
            past_mlp = grad + found[0].to(grad.dtype)
            grad_out = grad if graph.parallel else past_mlp
            _attention_gradients(attention, _through(attention.post, grad_out), found[heads])
            grad = past_mlp + found[heads].sum(0).to(grad.dtype)
            n_found, n_upstream = heads.stop, graph.before(layer)
        yield Gradient(graph.attention_receivers(self._begin), n_upstream, found[heads])


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
    attention: _Attention, grad: Stream, into: Float[Tensor, "receiver batch pos d_model"]
) -> None:
    """The loss's gradient with respect to each head's q, k and v input, before the norm."""
    starts = [read.start for read in attention.reads]
    by_channel = torch.autograd.grad(attention.out, starts, grad)
    rows = iter(into)
    for read, found in zip(attention.reads, by_channel, strict=True):
        for head in range(found.shape[1]):
            next(rows).copy_(_before_norm(attention, read.input_gradient(found, head)))


def _before_norm(attention: _Attention, grad: Stream) -> Stream:
    if attention.normed is attention.stream:
        return grad
    return torch.autograd.grad(attention.normed, attention.stream, grad, retain_graph=True)[0]
