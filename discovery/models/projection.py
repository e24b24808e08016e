"""Query, key and value projections cut by head: from one input, or from one input a head.

Attribution needs the gradient with respect to every head's *own* input though all of them are
equal. `Apart` has both: one product for all heads forward, each head's own product backward.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from discovery.models.half import product
from discovery.models.norms import Slope


@dataclass(frozen=True)
class HeadWeights:
    """A projection cut by head: `weight` [head, d_head, d_model], a view, and its bias."""

    weight: Float[Tensor, "head d_head d_model"]
    bias: Float[Tensor, "head d_head"] | None = None

    def take(self, heads: slice | Tensor) -> HeadWeights:
        bias = None if self.bias is None else self.bias[heads]
        return HeadWeights(self.weight[heads], bias)


def shared_input(
    cut: HeadWeights, x: Float[Tensor, "batch pos d_model"]
) -> Float[Tensor, "batch head pos d_head"]:
    """Every head's product with one input."""
    weight = rearrange(cut.weight, "head d_head d_model -> (head d_head) d_model")
    bias = None if cut.bias is None else rearrange(cut.bias, "head d_head -> (head d_head)")
    y = product(x, weight, bias)
    return rearrange(
        y, "batch pos (head d_head) -> batch head pos d_head", head=cut.weight.shape[0]
    )


def own_input(
    cut: HeadWeights, x: Float[Tensor, "batch head pos d_model"], group: int
) -> Float[Tensor, "batch head pos d_head"]:
    """Each head's product with its own input; `group` query heads in a row share weights."""
    x = rearrange(x, "batch (kv group) pos d_model -> batch kv group pos d_model", group=group)
    y = einsum(
        x,
        cut.weight.to(x.dtype),
        "batch kv group pos d_model, kv d_head d_model -> batch kv group pos d_head",
    )
    if cut.bias is not None:
        y = y + cut.bias[:, None, None, :]
    return rearrange(y, "batch kv group pos d_head -> batch (kv group) pos d_head")


@dataclass(frozen=True)
class Apart:
    """Queries, keys or values `y` of heads that read one input, as if each had one of its own.

    `y` hangs on the leaf `start`: what the projection gave, head by head, or, without `weight`,
    the input once a head.
    """

    start: Float[Tensor, "batch head pos _"]
    y: Float[Tensor, "batch head pos d_head"]
    weight: Float[Tensor, "kv d_head d_model"] | None = None

    def stream_gradients(
        self,
        grad: Float[Tensor, "batch head pos d_head"],
        slope: Slope,
        into: Float[Tensor, "head batch pos d_model"],
    ) -> None:
        """Gradients with respect to what each head reads before its norm, written over `into`.

        The norm's weight and its centring go into the projection's weight, once for all positions;
        its size into the gradient while that is d_head wide. One pass over d_model is left.
        """
        assert self.weight is not None, "a head's input gradient has no projection to go through"
        group = grad.shape[1] // self.weight.shape[0]
        weight = slope.weighted(self.weight.to(grad.dtype))
        scaled = rearrange(
            grad * slope.per_size[:, None], "batch head pos d_head -> head (batch pos) d_head"
        )
        unit = rearrange(slope.unit, "batch pos d_model -> (batch pos) d_model")
        for head, rows in enumerate(scaled):
            # A view, where a copy would lose the result.
            found = into[head].view(unit.shape)
            torch.mm(rows, weight[head // group], out=found)
            along = (found * unit).mean(-1, keepdim=True)
            found.addcmul_(unit, along, value=-1)

    def input_gradient(
        self, grad: Float[Tensor, "batch head pos _"], head: int
    ) -> Float[Tensor, "batch pos d_model"]:
        """The gradient with respect to a head's own input, from that with respect to `start`.

        Head by head, since all heads' together would not fit a processor's cache.
        """
        if self.weight is None:
            return grad[:, head]
        group = grad.shape[1] // self.weight.shape[0]
        return grad[:, head] @ self.weight[head // group].to(grad.dtype)


def copies(
    x: Float[Tensor, "batch pos d_model"], n_heads: int
) -> Float[Tensor, "batch head pos d_model"]:
    """The input once a head, to take gradients of; no memory of its own."""
    return x.detach()[:, None].expand(-1, n_heads, -1, -1).requires_grad_()


def unembed(
    rows: Float[Tensor, "*rows d_model"],
    weight: Float[Tensor, "d_vocab d_model"],
    bias: Float[Tensor, " d_vocab"] | None,
    tokens: Int[Tensor, "*rows token"],
) -> Float[Tensor, "*rows token"]:
    """Each row's logits of its own `tokens`."""
    found = einsum(
        rows, weight[tokens].to(rows.dtype), "... d_model, ... token d_model -> ... token"
    )
    return found if bias is None else found + bias[tokens]


def linear_heads(module: nn.Linear, d_head: int) -> HeadWeights:
    """A Linear's weight and bias cut by head."""
    weight = rearrange(module.weight, "(head d_head) d_model -> head d_head d_model", d_head=d_head)
    bias: Tensor | None = getattr(module, "bias", None)
    if bias is None:
        return HeadWeights(weight)
    return HeadWeights(weight, rearrange(bias, "(head d_head) -> head d_head", d_head=d_head))


def linear_all(
    module: nn.Linear, x: Float[Tensor, "batch pos d_model"], d_head: int
) -> Float[Tensor, "batch head pos d_head"]:
    """All heads of one Linear from one shared input, by the module itself."""
    return rearrange(module(x), "batch pos (head d_head) -> batch head pos d_head", d_head=d_head)
