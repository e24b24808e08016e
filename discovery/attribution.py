"""Attribution patching: every edge's score from gradients.

An edge's score estimates loss(edge ablated) - loss(clean) by the first-order term: what patching
changes in the sender's write (`difference` = ablated - clean), times the gradient of the loss
with respect to what the receiver reads. `eap` takes the gradient at the clean run, `eap_ig`
averages it along a path of inputs. Cost in passes a chunk: `eap` one ablated forward, one clean
forward and backward; `eap_ig` with m steps one ablated and one clean forward, m forwards and
backwards. (`mean` takes its averages once for all; `zero` needs no ablated forward.)

A `Tape` is one forward pass cut at every sublayer, so that the backward sweep meets each
receiver's gradient once and multiplies it with the differences of all its senders in one matrix
product a layer and receiver kind. In families with post-norms a sender's difference passes
through the norm's Jacobian first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.ablation import Example
from discovery.bench import Experiment
from discovery.forward import add_const, at_positions, inputs, logits_at, run
from discovery.graph import Graph
from discovery.metrics import Objective
from discovery.models import Batch, ModelAdapter, Sublayer
from discovery.tasks.base import TokenPair
from graph_schema.documents import EapIg, Metric
from graph_schema.errors import NonFiniteError

Difference = Float[Tensor, "sender batch pos d_model"]
Stream = Float[Tensor, "batch pos d_model"]


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
    post: _PostNorm | None


@dataclass(frozen=True)
class _Mlp:
    stream: Stream
    out: Stream
    post: _PostNorm | None


class Tape:
    """A forward pass from given input writes, ready for one backward sweep.

    Attributes:
        resid: The final residual stream.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        graph: Graph,
        batch: Batch,
        first: Float[Tensor, "input batch pos d_model"],
        keep: Difference | None = None,
    ) -> None:
        """Run from the input writes `first`; `keep` receives every sender's raw write."""
        self._adapter, self._graph, self._batch = adapter, graph, batch
        self._layers: list[tuple[_Attention, _Mlp]] = []
        if keep is not None:
            keep[: graph.n_inputs] = first
        resid = reduce(first, "input batch pos d_model -> batch pos d_model", "sum")
        for layer in range(graph.n_layers):
            attention = self._attend(layer, resid)
            heads = attention.out.detach()
            total = add_const(adapter, layer, heads.sum(1))
            after = resid + (attention.post.out.detach() if attention.post else total)
            mlp = self._mlp(layer, resid if graph.parallel else after)
            resid = after + (mlp.post or mlp).out.detach()
            if keep is not None:
                keep[graph.head_senders(layer)] = rearrange(
                    heads, "batch head pos d_model -> head batch pos d_model"
                )
                keep[graph.mlp_sender(layer)] = mlp.out.detach()
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
        post = None
        if adapter.post_norms:
            post = self._post(layer, "attn", add_const(adapter, layer, out.detach().sum(1)))
        return _Attention(stream, normed, (q_in, k_in, v_in), out, post)

    @torch.enable_grad()
    def _mlp(self, layer: int, resid: Stream) -> _Mlp:
        stream = resid.detach().requires_grad_()
        out = self._adapter.mlp(layer, self._adapter.norm(layer, "mlp", stream))
        post = self._post(layer, "mlp", out) if self._adapter.post_norms else None
        return _Mlp(stream, out, post)

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
        for layer, (attention, mlp) in enumerate(self._layers):
            assert attention.post is not None
            assert mlp.post is not None
            heads, row = self._graph.head_senders(layer), self._graph.mlp_sender(layer)
            moved[heads] = _jacobian(attention.post, difference[heads])
            moved[row] = _jacobian(mlp.post, difference[row][None])[0]
        return moved

    def sweep(
        self, objective: Objective, difference: Difference
    ) -> Float[Tensor, "sender receiver"]:
        """Σ over examples and positions of difference times gradient, for every edge.

        Uses the tape up.
        """
        graph = self._graph
        flat = rearrange(difference, "sender batch pos d_model -> sender (batch pos d_model)")
        scores = flat.new_zeros(graph.n_senders, graph.n_receivers)
        resid = self.resid.detach().requires_grad_()
        with torch.enable_grad():
            rows = at_positions(resid, objective.target.positions)
            loss = objective.loss(logits_at(self._adapter, rows)).sum()
        (grad,) = torch.autograd.grad(loss, resid)
        scores[:, graph.logits] = flat @ grad.to(flat.dtype).flatten()
        while self._layers:
            layer = len(self._layers) - 1
            attention, mlp = self._layers.pop()
            (to_mlp,) = torch.autograd.grad(mlp.out, mlp.stream, _through(mlp.post, grad))
            n = graph.before_mlp(layer)
            scores[:n, graph.mlp_receiver(layer)] = flat[:n] @ to_mlp.to(flat.dtype).flatten()
            grad_out = grad if graph.parallel else grad + to_mlp
            to_heads = _attention_gradients(attention, _through(attention.post, grad_out))
            n = graph.before(layer)
            columns = rearrange(
                to_heads.to(flat.dtype),
                "receiver batch pos d_model -> (batch pos d_model) receiver",
            )
            scores[:n, graph.attention_receivers(layer)] = flat[:n] @ columns
            grad = grad + to_mlp + to_heads.sum(0)
        return scores


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


def eap(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    chunk: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Every edge's score by edge attribution patching, Syed et al. 2023, arXiv:2310.10348.

    Mean over pairs, in the metric's units, in the order of the edge list; positive where the
    behaviour relies on the edge. Against the exact effect of patching it is off by curvature.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    assert experiment.metric is not Metric.KL, "the spec refuses eap with kl: no gradient at clean"
    return _scores(experiment, pairs, None, chunk, progress)


def eap_ig(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    method: EapIg,
    *,
    chunk: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Every edge's score with gradients averaged over a path of inputs, arXiv:2403.17806.

    The path runs from the ablated input (the corrupt one, under `corrupt`) to the clean one, in
    `steps` steps; `endpoint` says which end is among them.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    return _scores(experiment, pairs, method, chunk, progress)


def _scores(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    path: EapIg | None,
    chunk: int,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    graph = experiment.graph
    chunks = experiment.chunks(pairs, chunk)
    total = torch.zeros(graph.n_senders, graph.n_receivers, dtype=torch.float64)
    n_steps = path.steps if path else 1
    done, n_examples = 0, 0
    for examples in chunks:
        for part in _chunk_scores(experiment, examples, path):
            total += part.double().cpu()
            done += 1
            if progress:
                progress(done, len(chunks) * n_steps)
        n_examples += len(examples)
    scores = graph.to_list((total / (n_examples * n_steps)).numpy()).astype(np.float32)
    check_finite(graph, scores)
    return scores


def _chunk_scores(
    experiment: Experiment, examples: Sequence[Example], path: EapIg | None
) -> Generator[Float[Tensor, "sender receiver"]]:
    """Scores summed over a chunk, one matrix a step of the path."""
    adapter, graph = experiment.adapter, experiment.graph
    ready = experiment.ready(examples)
    first = inputs(adapter, ready.batch)
    if path is None:
        clean = torch.empty_like(ready.ablated)
        tape = Tape(adapter, graph, ready.batch, first, keep=clean)
        difference = ready.ablated.sub_(clean)
        objective = Objective(experiment.metric, ready.target)
        yield tape.sweep(objective, tape.through_post_norms(difference))
        return
    clean_run = run(adapter, graph, ready.batch, experiment.dtype)
    objective = experiment.objective(ready, clean_run)
    difference = ready.ablated.sub_(clean_run.writes)
    to_ablated = difference[: graph.n_inputs].to(first.dtype)
    begin = 0 if path.endpoint == "corrupt" else 1
    for k in range(begin, begin + path.steps):
        at = first + to_ablated * (1 - k / path.steps)
        tape = Tape(adapter, graph, ready.batch, at)
        yield tape.sweep(objective, tape.through_post_norms(difference))


def check_finite(graph: Graph, scores: NDArray[np.float32]) -> None:
    """Refuse scores with a NaN or an infinity, naming the first receiver that has one.

    Raises:
        NonFiniteError: There is one.
    """
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        senders, receivers = graph.edges
        edge = graph.edge(int(senders[bad[0]]), int(receivers[bad[0]]))
        raise NonFiniteError(
            f"{len(bad)} of {len(scores)} scores are not finite, the first at {edge.name}; "
            "look for an overflow in half precision (use dtype bfloat16 or float32)"
        )
