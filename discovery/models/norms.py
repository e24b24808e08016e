"""A norm's slope in closed form: LayerNorm and RMSNorm differ in one term.

Both are `weight * unit + bias` with `unit = (x - mean) / size`; `size` is the root of the mean
square (plus eps) of what is left, and RMSNorm takes no mean off. Attribution needs the slope once
for every head's gradient and, past post-norms, for every head's difference. As elementwise products
that is cheap; by differentiating the module it is one call of autograd a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discovery.models.half import wide


@dataclass(frozen=True)
class Slope:
    """The Jacobian of a norm at the rows of some `x`: `unit` is x normed, before the weight.

    Per row it is `diag(weight) @ (I - unit unitᵀ / d_model) @ P / size`, where P takes the mean off
    (LayerNorm) or is I (RMSNorm); unit has mean 0 where P does, so P may stand on either side.
    """

    weight: Float[Tensor, " d_model"]
    unit: Float[Tensor, "*rows d_model"]
    per_size: Float[Tensor, "*rows 1"]
    centred: bool

    def forward(
        self, steps: Float[Tensor, "step *rows d_model"]
    ) -> Float[Tensor, "step *rows d_model"]:
        """What small steps of `x` change in the norm's output."""
        return self._project(steps) * (self.weight * self.per_size)

    def backward(self, grad: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows d_model"]:
        """The gradient with respect to `x` from that with respect to the norm's output."""
        return self._project(grad * self.weight) * self.per_size

    def _project(self, x: Tensor) -> Tensor:
        along = (x * self.unit).mean(-1, keepdim=True)
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        return torch.addcmul(x, self.unit, along, value=-1)

    def weighted(self, rows: Float[Tensor, "*sizes d_model"]) -> Float[Tensor, "*sizes d_model"]:
        """A projection's rows as what is left to do after it: minus `unit` along it, by size."""
        rows = rows * self.weight
        return rows - rows.mean(-1, keepdim=True) if self.centred else rows


@dataclass(frozen=True)
class Norm:
    """A norm over the last axis: `weight * (x - mean) / size`, plus its bias."""

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"] | None
    eps: float
    centred: bool

    @classmethod
    def of(cls, module: nn.Module) -> Norm | None:
        """The closed form of a module, known by what it computes; None where it is another norm.

        RMSNorms scale by their weight or (Gemma) by one more than it, and keep eps under several
        names: each guess is held against the module on rows large and small.
        """
        weight, eps = getattr(module, "weight", None), _eps(module)
        if weight is None or eps is None or weight.ndim != 1:
            return None
        weight, bias = weight.detach().to(wide(weight.dtype)), getattr(module, "bias", None)
        generator = torch.Generator().manual_seed(0)
        rows = torch.randn(3, len(weight), generator=generator).to(weight)
        rows = rows * torch.tensor([[1.0], [1e-3], [30.0]]).to(weight) + 0.1 * rows[:1]
        with torch.no_grad():
            wanted = module(rows)
        for centred in (True, False):
            for scale in (weight, 1 + weight):
                found = cls(scale, None if bias is None else bias.detach().to(weight), eps, centred)
                if torch.allclose(found(rows), wanted, rtol=1e-4, atol=1e-5):
                    return found
        return None

    def __call__(self, x: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows d_model"]:
        found = self.weight * self.at(x).unit
        return found if self.bias is None else found + self.bias

    def at(self, x: Float[Tensor, "*rows d_model"]) -> Slope:
        """The slope at `x`."""
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        per_size = (x.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return Slope(self.weight, x * per_size, per_size, self.centred)


def _eps(module: nn.Module) -> float | None:
    names = ("eps", "variance_epsilon")
    found = (getattr(module, name, None) for name in names)
    return next((float(eps) for eps in found if eps is not None), None)
