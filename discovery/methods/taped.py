"""What a tape holds of a layer that was run, and how a gradient goes back through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.models import Apart, Qkv, Slope, Sublayer

Difference = Float[Tensor, "sender batch pos d_model"]
Stream = Float[Tensor, "batch pos d_model"]
QKV: tuple[Qkv, ...] = ("q", "k", "v")


@dataclass(frozen=True)
class Write:
    """What a sublayer writes: raw, and as it is added to the stream, past a post-norm if any.

    `slope` is the post-norm's, where it is known in closed form; else autograd is asked for it.
    """

    raw: Stream
    added: Stream
    slope: Slope | None = None


@dataclass(frozen=True)
class Attention:
    """A layer's heads: the stream, their q, k and v, and the sum of what they write.

    `slope` is the norm's before them, where it is known in closed form.
    """

    stream: Stream
    normed: Stream
    slope: Slope | None
    reads: list[Apart]
    out: Stream


@dataclass(frozen=True)
class Mlp:
    stream: Stream
    out: Stream


@dataclass(frozen=True)
class Layer:
    """A layer that was run; where a tape begins with a moved write, not all of it was."""

    attention: Attention | None
    heads: Write | None
    after: Stream
    mlp: Mlp | None
    wrote: Write


@dataclass(frozen=True)
class Moved:
    """A raw write that stands for a sublayer's own, which is not run."""

    sublayer: Sublayer
    raw: Stream


def through(write: Write, grad: Stream) -> Stream:
    """The gradient with respect to a sublayer's raw output."""
    if write.added is write.raw:
        return grad
    if write.slope is not None:
        return write.slope.backward(grad)
    return torch.autograd.grad(write.added, write.raw, grad, retain_graph=True)[0]


def jacobian(write: Write, steps: Difference) -> Difference:
    """The post-norm's Jacobian times each step.

    Without a closed form: by differentiating its transpose, which is linear.
    """
    if write.slope is not None:
        return write.slope.forward(steps)
    probe = torch.zeros_like(write.added, requires_grad=True)
    with torch.enable_grad():
        (back,) = torch.autograd.grad(write.added, write.raw, probe, create_graph=True)
    moved = [
        torch.autograd.grad(back, probe, step.to(back.dtype), retain_graph=True)[0]
        for step in steps
    ]
    return torch.stack(moved).to(steps.dtype)


def attention_gradients(
    attention: Attention, grad: Stream, into: Float[Tensor, "receiver batch pos d_model"]
) -> Sequence[Tensor]:
    """The loss's gradient with respect to each head's q, k and v input, before the norm.

    Comes back with those with respect to what the reads begin with (`Apart.start`).
    """
    starts = [read.start for read in attention.reads]
    by_channel = torch.autograd.grad(attention.out, starts, grad)
    n_heads = len(into) // len(QKV)
    for number, (read, found) in enumerate(zip(attention.reads, by_channel, strict=True)):
        mine = into[number * n_heads : (number + 1) * n_heads]
        if attention.slope is not None and read.weight is not None:
            read.stream_gradients(found, attention.slope, mine)
            continue
        for head, row in enumerate(mine):
            row.copy_(_before_norm(attention, read.input_gradient(found, head)))
    return by_channel


def _before_norm(attention: Attention, grad: Stream) -> Stream:
    if attention.normed is attention.stream:
        return grad
    if attention.slope is not None:
        return attention.slope.backward(grad)
    return torch.autograd.grad(attention.normed, attention.stream, grad, retain_graph=True)[0]
