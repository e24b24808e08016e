"""One prompt's clean run with what is not linear held: then it is an affine map, node by node.

Held are each norm's size, the attention probabilities, and of every neuron the factor that makes
its value of its input:

    plain   act(p) = [act(p) / p] p
    gated   act(g) u = ½ [act(g)] u + ½ [act(g) / g · u] g

What stands in brackets is held. The halves (arXiv:2508.21258) share a product between what it is
made of, so that what reaches a neuron through its gate is seen too, and a neuron's inputs sum to
its value either way. Norms go by their closed forms, forward too: the library's compute in float32
whatever the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.engine.attention import attention
from discovery.models import Batch, ModelAdapter
from discovery.models.base import Reader, Sublayer
from discovery.models.half import product
from discovery.models.mlp import MlpWeights
from discovery.models.norms import Norm
from graph_schema.errors import ModelError

Stream = Float[Tensor, "pos d_model"]
Grad = Float[Tensor, "row pos d_model"]


At = slice | Tensor
"""Positions: a slice of a gradient's own, or one for each of its rows."""


@dataclass(frozen=True)
class FrozenNorm:
    """A norm whose size is that of the run; without `norm` it does nothing."""

    norm: Norm | None
    per_size: Float[Tensor, "pos 1"] | None
    normed: Stream

    def back(self, grad: Float[Tensor, "*rows d_model"], at: At) -> Float[Tensor, "*rows d_model"]:
        """From a gradient of what the norm gives to one of what it reads."""
        return grad if self.norm is None else self.unit_back(grad * self.norm.weight, at)

    def unit_back(
        self, grad: Float[Tensor, "*rows d_model"], at: At
    ) -> Float[Tensor, "*rows d_model"]:
        """`back` from what stands before the norm's weight."""
        if self.norm is None or self.per_size is None:
            return grad
        grad = grad * self.per_size[at]
        return grad - grad.mean(-1, keepdim=True) if self.norm.centred else grad


@dataclass(frozen=True)
class FrozenMlp:
    """An MLP with each neuron's factors held; `gate` is None without gates."""

    weights: MlpWeights
    neurons: Float[Tensor, "pos d_mlp"]
    up: Float[Tensor, "pos d_mlp"]
    gate: Float[Tensor, "pos d_mlp"] | None

    @classmethod
    def of(cls, weights: MlpWeights, x: Stream) -> FrozenMlp:
        pre = weights.pre(x)
        share = _per_input(weights.act, pre)
        if not weights.gated:
            return cls(weights, share * pre, share, None)
        value = product(x, weights.up, weights.up_bias)
        act = weights.act(pre)
        return cls(weights, act * value, 0.5 * act, 0.5 * share * value)

    def back(self, grad: Float[Tensor, "*rows d_mlp"], at: At) -> Float[Tensor, "*rows d_model"]:
        """From a gradient of the neurons to one of the normed input."""
        found = product(grad * self.up[at], self.weights.up.T)
        if self.gate is None or self.weights.gate is None:
            return found
        return found + product(grad * self.gate[at], self.weights.gate.T)

    def rows(self, position: Tensor, unit: Tensor) -> Float[Tensor, "n d_model"]:
        """What single neurons read of the normed input."""
        dtype = self.neurons.dtype
        found = self.up[position, unit, None] * self.weights.up[unit].to(dtype)
        if self.gate is None or self.weights.gate is None:
            return found
        return found + self.gate[position, unit, None] * self.weights.gate[unit].to(dtype)


def _per_input(act: Callable[[Tensor], Tensor], pre: Tensor) -> Tensor:
    """act(p) / p; at 0 its slope, which is the limit."""
    with torch.enable_grad():
        zero = torch.zeros((), dtype=pre.dtype, device=pre.device, requires_grad=True)
        (slope,) = torch.autograd.grad(act(zero), zero)
    return torch.where(pre == 0, slope, act(pre) / torch.where(pre == 0, 1, pre))


@dataclass(frozen=True)
class FrozenLayer:
    """A layer of the run.

    Attributes:
        resid: The stream before it.
        stream: What its MLP reads, before the norm.
        pattern: Attention probabilities; rows are queries.
        added: Norms between a sublayer's output and the stream.
        write: What the MLP writes, before that norm.
    """

    resid: Stream
    stream: Stream
    attn_norm: FrozenNorm
    mlp_norm: FrozenNorm
    attn_added: FrozenNorm
    mlp_added: FrozenNorm
    pattern: Float[Tensor, "head query key"]
    q: Float[Tensor, "head pos d_head"]
    k: Float[Tensor, "head pos d_head"]
    v: Float[Tensor, "head pos d_head"]
    z: Float[Tensor, "head pos d_head"]
    mlp: FrozenMlp
    write: Stream


@dataclass(frozen=True)
class FrozenModel:
    """The run of one prompt.

    Attributes:
        inputs: What is written before the first layer, by sender.
        resid: The stream behind the last layer, which `final` norms.
        logits: At the last position, as the model says them.
    """

    adapter: ModelAdapter
    batch: Batch
    inputs: dict[str, Stream]
    layers: tuple[FrozenLayer, ...]
    resid: Stream
    final: FrozenNorm
    logits: Float[Tensor, " d_vocab"]

    @property
    def n_positions(self) -> int:
        return self.batch.tokens.shape[1]

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        adapter: ModelAdapter,
        tokens: list[int],
        progress: Callable[[int, int], None] | None = None,
    ) -> FrozenModel:
        """Run the prompt.

        Raises:
            ModelError: A norm has no closed form.
        """
        batch = adapter.batch(torch.tensor([tokens], device=adapter.device))
        inputs = {name: each[0] for name, each in adapter.embed_parts(batch).items()}
        x = torch.stack(list(inputs.values())).sum(0)
        layers: list[FrozenLayer] = []
        for layer in range(adapter.shape.n_layers):
            found, x = _run(adapter, batch, layer, x)
            layers.append(found)
            if progress:
                progress(layer + 1, adapter.shape.n_layers)
        final = _norm(adapter, adapter.shape.n_layers, "logits", x)
        logits = adapter.logits(final.normed[-1:])[0]
        return cls(adapter, batch, inputs, tuple(layers), x, final, logits)

    def attention_back(self, layer: int, grad: Grad) -> Grad:
        """From a gradient of what attention adds to the stream to one of the stream before it."""
        here, n = self.layers[layer], grad.shape[1]
        at = slice(0, n)
        out = rearrange(
            self.adapter.out_weights(layer), "head d_head d_model -> (head d_head) d_model"
        )
        cut = self.adapter.qkv_weights(layer, "v").weight
        group = self.adapter.shape.kv_group
        z = rearrange(
            product(here.attn_added.back(grad, at), out),
            "row query (kv group d_head) -> kv (group query) (row d_head)",
            kv=cut.shape[0],
            group=group,
        )
        pattern = rearrange(
            here.pattern[:, :n, :n],
            "(kv group) query key -> kv key (group query)",
            group=group,
        )
        v = rearrange(pattern @ z, "kv key (row d_head) -> row key (kv d_head)", row=grad.shape[0])
        rows = rearrange(cut, "kv d_head d_model -> d_model (kv d_head)")
        return here.attn_norm.back(product(v, rows), at)


def _run(adapter: ModelAdapter, batch: Batch, layer: int, x: Stream) -> tuple[FrozenLayer, Stream]:
    attn_norm = _norm(adapter, layer, "attn", x)
    normed = attn_norm.normed[None]
    q = adapter.project(batch, layer, "q", normed)
    k = adapter.project(batch, layer, "k", normed)
    v = adapter.project(batch, layer, "v", normed)
    pattern = attention(adapter, batch, layer, q, k)[0]
    z = pattern @ v[0]
    raw = adapter.attn_sum(layer, z[None])[0]
    const = adapter.attn_const(layer)
    raw = raw if const is None else raw + const
    attn_added = _norm(adapter, layer, "attn", raw, after=True)
    after = x + attn_added.normed
    stream = x if adapter.parallel else after
    mlp_norm = _norm(adapter, layer, "mlp", stream)
    mlp = FrozenMlp.of(adapter.mlp_weights(layer), mlp_norm.normed)
    write = mlp.weights.write(mlp.neurons)
    mlp_added = _norm(adapter, layer, "mlp", write, after=True)
    found = FrozenLayer(
        x,
        stream,
        attn_norm,
        mlp_norm,
        attn_added,
        mlp_added,
        pattern,
        q[0],
        k[0],
        v[0],
        z,
        mlp,
        write,
    )
    return found, after + mlp_added.normed


def _norm(
    adapter: ModelAdapter, layer: int, place: Reader, x: Stream, *, after: bool = False
) -> FrozenNorm:
    form = adapter.closed_form(layer, place, after=after)
    if form is not None:
        return FrozenNorm(form, form.at(x).per_size, form(x))
    if after:
        sublayer: Sublayer = "attn" if place == "attn" else "mlp"
        same: Any = adapter.post_norm(layer, sublayer, x)
    else:
        same = adapter.norm(layer, place, x)
    if not torch.equal(same, x):
        raise ModelError(
            f"the norm {'after' if after else 'before'} {place} of layer {layer} is neither a "
            "LayerNorm nor an RMSNorm, and what it does cannot be held: this model cannot be traced"
        )
    return FrozenNorm(None, None, x)
