"""One forward pass cut at every sublayer, ready for one backward sweep.

Each receiver has an input tensor of its own, so the sweep meets its gradient once. In families
with post-norms a sender's difference passes through the norm's Jacobian before it meets one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.forward import add_const, at_positions, loss_at, put_heads
from discovery.engine.graph import Graph
from discovery.engine.metrics import Objective, wide
from discovery.engine.window import Window
from discovery.methods.taped import (
    QKV,
    Attention,
    Difference,
    Layer,
    Mlp,
    Moved,
    Stream,
    Write,
    attention_gradients,
    jacobian,
    through,
)
from discovery.models import ModelAdapter, Sublayer


@dataclass(frozen=True)
class Gradient:
    """The loss's gradient with respect to what some receivers read.

    `n_upstream` is the most senders that one of them has. `grad` is overwritten by the next one.
    """

    receivers: slice
    n_upstream: int
    grad: Float[Tensor, "receiver batch pos d_model"]


class Tape:
    """A forward pass from layer `begin` on, ready for one backward sweep.

    Attributes:
        resid: The final residual stream.
        grad: After a sweep, the loss's gradient with respect to the stream that the tape began
            with, or to the stream beside the moved write.
    """

    grad: Stream

    def __init__(
        self,
        adapter: ModelAdapter,
        graph: Graph,
        window: Window,
        resid: Stream,
        *,
        begin: int = 0,
        less: Difference | None = None,
        moved: Moved | None = None,
    ) -> None:
        """Run on from `resid`, the stream before layer `begin`.

        Every raw write is subtracted from `less`, in place. `moved` is of layer `begin`; with a
        moved MLP `resid` is the stream past attention.
        """
        self._adapter, self._graph, self._window = adapter, graph, window
        self._begin, self._less = begin, less
        self._layers: list[Layer] = []
        for layer in range(begin, graph.n_layers):
            found = self._run(layer, resid, moved if layer == begin else None)
            self._layers.append(found)
            resid = found.after + found.wrote.added.detach()
        self.resid = resid

    def moved(self, layer: int, sublayer: Sublayer, step: Stream) -> Tape:
        """The tape from a sublayer on, with its raw write, all heads' or the MLP's, this far off.

        No gradient flows through the sublayer. What is before it stays as it is here.
        """
        here = self._layers[layer - self._begin]
        if sublayer == "attn":
            assert here.attention is not None
            assert here.heads is not None
            resid, raw = here.attention.stream, here.heads.raw
        else:
            resid, raw = here.after, here.wrote.raw
        moved = Moved(sublayer, (raw + step).to(raw.dtype).detach())
        return Tape(
            self._adapter, self._graph, self._window, resid.detach(), begin=layer, moved=moved
        )

    def _run(self, layer: int, resid: Stream, moved: Moved | None) -> Layer:
        attention = heads = mlp = None
        after = resid
        if moved is None:
            attention, heads = self._attend(layer, resid)
        elif moved.sublayer == "attn":
            heads = self._write(layer, "attn", moved.raw)
        if heads is not None:
            after = resid + heads.added.detach()
        if moved is not None and moved.sublayer == "mlp":
            wrote = self._write(layer, "mlp", moved.raw)
        else:
            mlp = self._mlp(layer, resid if self._graph.parallel else after)
            wrote = self._write(layer, "mlp", mlp.out)
            if self._less is not None:
                self._less[self._graph.mlp_sender(layer)].sub_(wrote.raw.detach())
        return Layer(attention, heads, after, mlp, wrote)

    @torch.enable_grad()
    def _attend(self, layer: int, resid: Stream) -> tuple[Attention, Write]:
        adapter, batch = self._adapter, self._window.batch
        stream = resid.detach().requires_grad_()
        form = adapter.closed_form(layer, "attn")
        slope = None if form is None else form.at(resid.detach())
        normed = adapter.norm(layer, "attn", stream if slope is None else resid.detach())
        reads = [adapter.project_apart(batch, layer, channel, normed) for channel in QKV]
        q, k, v = (read.y for read in reads)
        z = self._window.mix(layer, q, k, v)
        # Every head's write has the gradient of their sum.
        out = adapter.attn_sum(layer, z)
        if self._less is not None:
            heads = self._less[self._graph.head_senders(layer)]
            with torch.no_grad():
                put_heads(adapter, layer, z.detach(), heads, subtract=True)
        write = self._write(layer, "attn", add_const(adapter, layer, out.detach()))
        return Attention(stream, normed, slope, reads, out), write

    @torch.enable_grad()
    def _mlp(self, layer: int, resid: Stream) -> Mlp:
        stream = resid.detach().requires_grad_()
        return Mlp(stream, self._adapter.mlp(layer, self._adapter.norm(layer, "mlp", stream)))

    @torch.enable_grad()
    def _write(self, layer: int, sublayer: Sublayer, raw: Stream) -> Write:
        raw = raw.detach()
        if not self._adapter.post_norms:
            return Write(raw, raw)
        if (form := self._adapter.closed_form(layer, sublayer, after=True)) is not None:
            return Write(raw, self._adapter.post_norm(layer, sublayer, raw), form.at(raw))
        raw.requires_grad_()
        return Write(raw, self._adapter.post_norm(layer, sublayer, raw))

    def through_post_norms(
        self, difference: Difference, before: Difference | None = None
    ) -> Difference:
        """What a small step along each difference changes in the stream: through the Jacobians.

        The same tensor in families without post-norms. What this tape did not run is taken from
        `before`, the differences past the post-norms of the tape that it was moved from.
        """
        if not self._adapter.post_norms:
            return difference
        found = (difference if before is None else before).clone()
        for layer, here in enumerate(self._layers, self._begin):
            mlp = self._graph.mlp_sender(layer)
            if here.heads is not None:
                heads = self._graph.head_senders(layer)
                found[heads] = jacobian(here.heads, difference[heads])
            found[mlp : mlp + 1] = jacobian(here.wrote, difference[mlp : mlp + 1])
        return found

    def gradients(self, objective: Objective) -> Generator[Gradient]:
        """Gradients of the loss, summed over examples, from the logits back. Uses the tape up.

        An MLP's comes together with that of its neighbours behind it in the list of receivers: the
        logits, or the heads of the layer above.
        """
        resid = self.resid.detach().requires_grad_()
        with torch.enable_grad():
            rows = at_positions(resid, self._window.positions)
            loss = loss_at(self._adapter, objective, rows).sum()
        (grad,) = torch.autograd.grad(loss, resid)
        return self._sweep(grad, {})

    def gradients_from(self, beside: Mapping[tuple[int, Sublayer], Stream]) -> Generator[Gradient]:
        """The same for gradients that come in beside each sublayer's write, and none at the logits.

        That is what sweeps over tapes moved from this one leave to be done, all of them at once.
        """
        return self._sweep(torch.zeros_like(self.resid), beside)

    def _sweep(
        self, grad: Stream, beside: Mapping[tuple[int, Sublayer], Stream]
    ) -> Generator[Gradient]:
        graph, heads = self._graph, slice(1, 1 + 3 * self._graph.n_heads)
        # One buffer for all layers: an MLP's gradient in front of those that were found before it.
        found = torch.empty((heads.stop, *grad.shape), dtype=wide(grad.dtype), device=grad.device)
        found[1] = grad
        behind, n_upstream = slice(graph.logits, graph.logits + 1), graph.n_senders
        while self._layers:
            layer, here = self._begin + len(self._layers) - 1, self._layers.pop()
            if here.mlp is None:
                break
            n_behind = behind.stop - behind.start
            (found[0],) = torch.autograd.grad(
                here.mlp.out, here.mlp.stream, through(here.wrote, grad)
            )
            receivers = slice(graph.mlp_receiver(layer), behind.stop)
            yield Gradient(receivers, n_upstream, found[: 1 + n_behind])
            behind = slice(behind.stop, behind.stop)
            past_mlp = grad + found[0].to(grad.dtype)
            to_heads, grad = grad if graph.parallel else past_mlp, past_mlp
            if here.attention is None or here.heads is None:
                break
            if (more := beside.get((layer, "mlp"))) is not None:
                grad, to_heads = grad + more, to_heads + more
            attention_gradients(here.attention, through(here.heads, to_heads), found[heads])
            grad = grad + found[heads].sum(0).to(grad.dtype)
            if (more := beside.get((layer, "attn"))) is not None:
                grad = grad + more
            behind, n_upstream = graph.attention_receivers(layer), graph.before(layer)
        if behind.stop > behind.start:
            yield Gradient(behind, n_upstream, found[1 : 1 + behind.stop - behind.start])
        self.grad = grad
