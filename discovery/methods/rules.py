"""How a score's backward pass goes through what is not linear: by gradients, or by relevance.

Both compute the same forward pass. Relevance patching, RelP (arXiv:2508.21258; of neurons:
arXiv:2601.22594), propagates as if the model were linear where it stands:

* a norm's scale is a constant (LN-rule);
* attention weights are constants, so nothing goes back through queries and keys (AH-rule);
* an activation function is a factor, what comes out over what goes in (identity rule);
* of a gated MLP's product each side gets one half of what its gradient would be (half rule).

Through each of these the input times the coefficient of the output is the output, biases apart, so
what the logits have is conserved on the way down. The metric itself, with a soft cap of the logits
where a model has one, is met by its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.models import ModelAdapter, Sublayer
from discovery.models.base import Reader
from discovery.models.half import product
from discovery.models.mlp import MlpWeights
from discovery.models.norms import Norm
from graph_schema.errors import ModelError

Stream = Float[Tensor, "batch pos d_model"]
NEAR_ZERO = 1e-3
"""Where an activation function's ratio at 0 is taken: its slope there, to a thousandth."""


@runtime_checkable
class Rules(Protocol):
    """What stands between linear maps, ready for a backward pass."""

    def norm(self, layer: int, reader: Reader, x: Tensor) -> Tensor:
        """The norm before a sublayer, or before the unembedding."""
        ...

    def post_norm(self, layer: int, sublayer: Sublayer, x: Stream) -> Stream:
        """The norm between a sublayer's raw output and the stream, if there is one."""
        ...

    def attended(self, x: Tensor) -> Tensor:
        """Queries or keys."""
        ...

    def mlp(self, layer: int, normed: Stream) -> Stream:
        """What an MLP writes."""
        ...


@dataclass(frozen=True)
class Gradients:
    """The model's own functions, as autograd differentiates them."""

    adapter: ModelAdapter

    def norm(self, layer: int, reader: Reader, x: Tensor) -> Tensor:
        return self.adapter.norm(layer, reader, x)

    def post_norm(self, layer: int, sublayer: Sublayer, x: Stream) -> Stream:
        return self.adapter.post_norm(layer, sublayer, x)

    def attended(self, x: Tensor) -> Tensor:
        return x

    def mlp(self, layer: int, normed: Stream) -> Stream:
        return self.adapter.mlp(layer, normed)


@dataclass(frozen=True)
class Relevance:
    """RelP's rules.

    Raises:
        ModelError: A norm has another form than LayerNorm and RMSNorm: it has no scale to freeze.
    """

    adapter: ModelAdapter

    def norm(self, layer: int, reader: Reader, x: Tensor) -> Tensor:
        form = self.adapter.closed_form(layer, reader)
        if form is not None:
            return _frozen(form, x)
        found = self.adapter.norm(layer, reader, x)
        if found is not x:
            raise ModelError(
                f"relp freezes the scale of a norm, and that before {reader} of layer {layer} is "
                "neither a LayerNorm nor an RMSNorm; rank by 'ig' or 'gradient' instead"
            )
        return found

    def post_norm(self, layer: int, sublayer: Sublayer, x: Stream) -> Stream:
        if not self.adapter.post_norms:
            return x
        form = self.adapter.closed_form(layer, sublayer, after=True)
        if form is None:
            raise ModelError(
                f"relp freezes the scale of a norm, and that after {sublayer} of layer {layer} is "
                "neither a LayerNorm nor an RMSNorm; rank by 'ig' or 'gradient' instead"
            )
        return _frozen(form, x)

    def attended(self, x: Tensor) -> Tensor:
        return x.detach()

    def mlp(self, layer: int, normed: Stream) -> Stream:
        weights = self.adapter.mlp_weights(layer)
        read = weights.pre(normed)
        if weights.gate is None:
            return weights.write(read * _ratio(weights, read))
        opened = read * _ratio(weights, read)
        carried = product(normed, weights.up, weights.up_bias)
        # The value is the product; each side is met by half of its gradient.
        halves = opened * carried.detach() + opened.detach() * carried
        return weights.write(0.5 * halves)


def _frozen(norm: Norm, x: Tensor) -> Tensor:
    """A norm whose scale is a constant."""
    scale = norm.at(x.detach()).per_size
    if norm.centred:
        x = x - x.mean(-1, keepdim=True)
    found = x * (norm.weight * scale)
    return found if norm.bias is None else found + norm.bias


@torch.no_grad()
def _ratio(weights: MlpWeights, read: Tensor) -> Tensor:
    """What the activation function gives over what it gets."""
    safe = torch.where(read == 0, NEAR_ZERO, read)
    return weights.act(safe) / safe
