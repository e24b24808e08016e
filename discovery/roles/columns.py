"""Figures of heads that describe and never decide.

Direct logit attribution: what a head's own write adds to the answer's logit against the wrong
answer's. Composition scores (Elhage et al. 2021): how much of what one head writes another's
queries, keys or values read, by their weights alone; position is left out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import pad
from discovery.engine.forward import at_positions, logits_at
from discovery.engine.metrics import target_of, wide
from discovery.models import ModelAdapter, Qkv
from discovery.roles.causal import Head
from discovery.roles.patterns import Patterns, fitting
from discovery.roles.watching import AtLayer, watched
from discovery.tasks.base import TokenPair
from graph_schema.documents import RoleName, head_name

COMPOSED: tuple[tuple[RoleName, RoleName, Qkv], ...] = (
    (RoleName.PREVIOUS_TOKEN, RoleName.INDUCTION, "k"),
    (RoleName.DUPLICATE_TOKEN, RoleName.INDUCTION, "q"),
    (RoleName.S_INHIBITION, RoleName.NAME_MOVER, "q"),
)
"""Pairs of roles whose heads' composition scores are written down, and through which input."""


def direct_logits(
    adapter: ModelAdapter, pairs: Sequence[TokenPair], chunk: int | None = None
) -> NDArray[np.float64]:
    """Direct logit attribution [layer, head], mean over pairs, in logits.

    Norms on the way, the last one and a family's post-norms, are taken by their slope at the clean
    run. Pairs without answers give 0.
    """
    shape = adapter.shape
    total = np.zeros((shape.n_layers, shape.n_heads))
    size = chunk or fitting(adapter, max(len(pair.clean) for pair in pairs))
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        batch = pad(adapter, [pair.clean for pair in part])
        target = target_of(part, adapter.device, wide(adapter.dtype))
        z: list[Tensor] = []

        def look(at: AtLayer, z: list[Tensor] = z, where: Tensor = target.positions) -> None:
            rows = torch.arange(len(where), device=where.device)[:, None]
            z.append(at.z.transpose(1, 2)[rows, where].transpose(1, 2))

        last = at_positions(watched(adapter, batch, look), target.positions)
        with torch.enable_grad():
            last = last.detach().requires_grad_()
            tokens = target.answers.minus(target.wrong_answers)
            value = target.mean(tokens.total(logits_at(adapter, last).to(wide(adapter.dtype))))
            (slope,) = torch.autograd.grad(value.sum(), last)
        for layer, mixed in enumerate(z):
            written = adapter.head_out(layer, mixed)
            found = einsum(
                written,
                _before_post_norm(adapter, layer, written, slope),
                "batch head target d_model, batch target d_model -> head",
            )
            total[layer] += found.double().cpu().numpy()
    return total / len(pairs)


def _before_post_norm(
    adapter: ModelAdapter,
    layer: int,
    written: Float[Tensor, "batch head target d_model"],
    slope: Float[Tensor, "batch target d_model"],
) -> Float[Tensor, "batch target d_model"]:
    """The slope by what a layer's heads write: before its post-norm, where it has one."""
    if not adapter.post_norms:
        return slope
    whole, const = written.sum(1), adapter.attn_const(layer)
    with torch.enable_grad():
        whole = (whole if const is None else whole + const).detach().requires_grad_()
        (found,) = torch.autograd.grad(adapter.post_norm(layer, "attn", whole), whole, slope)
    return found


def composition(adapter: ModelAdapter, sender: Head, receiver: Head, channel: Qkv) -> float:
    """The composition score of Elhage et al. 2021: ‖W_R W_OV‖ / (‖W_R‖ ‖W_OV‖), Frobenius.

    W_R is the receiver's W_QK for its keys, that transposed for its queries, its W_OV for values.
    Norms' weights are folded in.
    """
    value, out = _weights(adapter, sender, "v"), _out(adapter, sender)
    reads = _weights(adapter, receiver, channel)
    if channel == "v":
        other = _out(adapter, receiver)
    else:
        other = _weights(adapter, receiver, "k" if channel == "q" else "q")
    both = _size(other, reads @ out.T, value)
    own = torch.eye(len(reads), dtype=reads.dtype, device=reads.device)
    between = torch.eye(len(value), dtype=value.dtype, device=value.device)
    apart = _size(other, own, reads) * _size(out, between, value)
    return both / apart if apart else 0.0


def _size(left: Tensor, middle: Tensor, right: Tensor) -> float:
    """‖leftᵀ middle right‖ without a matrix of d_model by d_model."""
    square = einsum(left @ left.T, middle, right @ right.T, middle, "a b, b c, c d, a d ->")
    return float(square.clamp(min=0).sqrt())


def _weights(adapter: ModelAdapter, head: Head, channel: Qkv) -> Float[Tensor, "d_head d_model"]:
    layer, number = head
    group = 1 if channel == "q" else adapter.shape.kv_group
    weight = adapter.qkv_weights(layer, channel).weight[number // group].double()
    norm = adapter.closed_form(layer, "attn")
    return weight if norm is None else weight * norm.weight.double()


def _out(adapter: ModelAdapter, head: Head) -> Float[Tensor, "d_head d_model"]:
    layer, number = head
    weight = adapter.out_weights(layer)[number].double()
    norm = adapter.closed_form(layer, "attn", after=True)
    return weight if norm is None else weight * norm.weight.double()


def columns(
    adapter: ModelAdapter,
    pairs: Sequence[TokenPair],
    found: Patterns,
    players: Callable[[RoleName], list[Head]],
    chunk: int | None = None,
) -> dict[str, dict[str, float]]:
    """What describes each head, by its name.

    Args:
        adapter: The model.
        pairs: What direct logit attribution is taken on.
        found: What the heads look at.
        players: The heads that pass for a role.
        chunk: Pairs at a time.
    """
    direct, shape = direct_logits(adapter, pairs, chunk), adapter.shape
    told = {
        head_name(layer, head): {
            "direct_logits": float(direct[layer, head]),
            "offset": float(found.offset[layer, head]),
            "first": float(found.first[layer, head]),
        }
        for layer in range(shape.n_layers)
        for head in range(shape.n_heads)
    }
    for sends, reads, channel in COMPOSED:
        for sender in players(sends):
            for receiver in players(reads):
                if sender[0] < receiver[0]:
                    name = f"{channel}_composition_{head_name(*sender)}"
                    told[head_name(*receiver)][name] = composition(
                        adapter, sender, receiver, channel
                    )
    return told
