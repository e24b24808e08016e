"""An MLP taken apart into its neurons: what each computes, and the direction it writes along.

A neuron is one input of the down projection: act(up · x) in a plain MLP, act(gate · x) (up · x) in
a gated one. What the MLP writes is `neurons @ down + down_bias`, so neurons are an exact basis of
it, without training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from discovery.models.half import product


@dataclass(frozen=True)
class MlpWeights:
    """A layer's MLP: views of its weights, one row a neuron.

    Attributes:
        act: The nonlinearity.
        up: What a neuron reads, or in a gated MLP what its gate's value is multiplied by.
        down: What a neuron writes along.
        gate: What is read through the nonlinearity; None in an MLP without gates.
    """

    act: Callable[[Tensor], Tensor]
    up: Float[Tensor, "d_mlp d_model"]
    down: Float[Tensor, "d_mlp d_model"]
    up_bias: Float[Tensor, " d_mlp"] | None = None
    down_bias: Float[Tensor, " d_model"] | None = None
    gate: Float[Tensor, "d_mlp d_model"] | None = None
    gate_bias: Float[Tensor, " d_mlp"] | None = None

    @property
    def gated(self) -> bool:
        """Whether a neuron is a product of two projections."""
        return self.gate is not None

    def pre(
        self, x: Float[Tensor, "*rows d_model"], units: slice | Tensor | None = None
    ) -> Float[Tensor, "*rows unit"]:
        """What the nonlinearity is applied to, of `units` (None: all), from the normed input."""
        if self.gate is None:
            return _rows(x, self.up, self.up_bias, units)
        return _rows(x, self.gate, self.gate_bias, units)

    def neurons(
        self, x: Float[Tensor, "*rows d_model"], units: slice | Tensor | None = None
    ) -> Float[Tensor, "*rows unit"]:
        """The inputs of the down projection; each of `units` costs its own rows alone."""
        found = self.act(self.pre(x, units))
        return found if self.gate is None else found * _rows(x, self.up, self.up_bias, units)

    def write(self, neurons: Float[Tensor, "*rows d_mlp"]) -> Float[Tensor, "*rows d_model"]:
        """What the MLP writes, its bias included."""
        return product(neurons, self.down.T, self.down_bias)


def linear_rows(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """A projection's weight with a row for each output, and its bias, whatever module keeps it."""
    weight, bias = module.weight, getattr(module, "bias", None)
    assert isinstance(weight, Tensor), f"{type(module).__name__} has no weight"
    return (weight.T if isinstance(module, Conv1D) else weight), bias


def plain_mlp(act: Callable[[Tensor], Tensor], up: nn.Module, down: nn.Module) -> MlpWeights:
    """down(act(up(x)))."""
    (up_rows, up_bias), (down_rows, down_bias) = linear_rows(up), linear_rows(down)
    return MlpWeights(act, up_rows, down_rows.T, up_bias, down_bias)


def gated_mlp(
    act: Callable[[Tensor], Tensor], gate: nn.Module, up: nn.Module, down: nn.Module
) -> MlpWeights:
    """down(act(gate(x)) up(x))."""
    (gate_rows, gate_bias), (up_rows, up_bias) = linear_rows(gate), linear_rows(up)
    down_rows, down_bias = linear_rows(down)
    return MlpWeights(act, up_rows, down_rows.T, up_bias, down_bias, gate_rows, gate_bias)


def _rows(x: Tensor, weight: Tensor, bias: Tensor | None, units: slice | Tensor | None) -> Tensor:
    if units is None:
        return product(x, weight, bias)
    return product(x, weight[units], None if bias is None else bias[units])
