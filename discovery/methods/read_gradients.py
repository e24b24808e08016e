"""The loss's gradient with respect to what receivers read, as rows of weights where it is made so.

A head's query, or a neuron, reads its input through a norm and then through few rows of weights, so
its gradient is

    Jᵀ Σ_k factor_k[batch, pos] row_k            J the norm's Jacobian at the input

and for a unit that writes a coefficient along a direction, what the two make of each other is inner
products of directions with rows, once for all positions, times inner products of coefficients with
factors over positions. That is less than gradients in full by about the width of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from discovery.models import Slope

Reads = Float[Tensor, "receiver batch pos d_model"]


@dataclass(frozen=True)
class Factored:
    """Gradients of receivers at one place; `slope` is that of its norm, if there is one."""

    factors: Float[Tensor, "receiver k batch pos"]
    rows: Float[Tensor, "receiver k d_model"]
    slope: Slope | None

    def take(self, receivers: slice) -> Factored:
        """Of some receivers."""
        return Factored(self.factors[receivers], self.rows[receivers], self.slope)

    def total(self) -> Float[Tensor, "batch pos d_model"]:
        """The sum over receivers."""
        factors = self.factors.flatten(0, 1).movedim(0, -1)
        normed = factors @ self.rows.flatten(0, 1).to(factors.dtype)
        return normed if self.slope is None else self.slope.backward(normed)

    def dense(self) -> Reads:
        """In full."""
        normed = einsum(
            self.factors,
            self.rows.to(self.factors.dtype),
            "receiver k batch pos, receiver k d_model -> receiver batch pos d_model",
        )
        return normed if self.slope is None else self.slope.backward(normed)

    def meet_dense(
        self, differences: Float[Tensor, "sender batch pos d_model"]
    ) -> Float[Tensor, "sender receiver"]:
        """Differences times each gradient, summed over all but senders and receivers."""
        rows, factors, lost = self._parts
        # [batch pos, receiver k]
        flat = factors.flatten(0, 1).flatten(1).T
        found = torch.stack([((each.flatten(0, 1) @ rows.T) * flat).sum(0) for each in differences])
        found = found.unflatten(1, factors.shape[:2]).sum(-1)
        if lost is None or self.slope is None:
            return found
        along = torch.einsum("nbpd,bpd->nbp", differences, self.slope.unit)
        return found - along.flatten(1) @ lost

    def meet(
        self,
        coefficients: Float[Tensor, "unit batch pos"],
        directions: Float[Tensor, "unit d_model"],
    ) -> Float[Tensor, "unit receiver"]:
        """Each unit's write, coefficient times direction, times each gradient, summed over both."""
        rows, factors, lost = self._parts
        together = coefficients.flatten(1) @ factors.flatten(0, 1).flatten(1).T
        found = (together * (directions @ rows.T)).unflatten(1, factors.shape[:2]).sum(-1)
        if lost is None or self.slope is None:
            return found
        own = coefficients * (self.slope.unit @ directions.T).movedim(-1, 0)
        return found - own.flatten(1) @ lost

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """The Jacobian as rows and factors that take its place, and what is lost along the input.

        That is by position and receiver, for what a step has along the normed input.
        """
        rows = self.rows.to(self.factors.dtype).flatten(0, 1)
        if self.slope is None:
            return rows, self.factors, None
        rows = self.slope.weighted(rows)
        factors = self.factors * self.slope.per_size[..., 0]
        unit = self.slope.unit.flatten(0, 1)
        along = (rows @ unit.T).view(factors.shape[:2] + unit.shape[:1])
        lost = (along * factors.flatten(2)).sum(1).T / unit.shape[-1]
        return rows, factors, lost


@dataclass(frozen=True)
class ReadGradients:
    """Of receivers that read at one place: in full, or by few rows each, or both."""

    dense: Reads | None
    factored: Factored | None = None

    @property
    def in_full(self) -> Reads:
        if self.dense is not None:
            return self.dense
        assert self.factored is not None, "gradients are given one way at least"
        return self.factored.dense()

    def meet_dense(
        self, differences: Float[Tensor, "sender batch pos d_model"]
    ) -> Float[Tensor, "sender receiver"]:
        """What differences make of the gradients."""
        if self.dense is None:
            assert self.factored is not None, "gradients are given one way at least"
            return self.factored.meet_dense(differences)
        return differences.flatten(1) @ self.dense.flatten(1).T

    def meet(
        self,
        coefficients: Float[Tensor, "unit batch pos"],
        directions: Float[Tensor, "unit d_model"],
        past: Slope | None = None,
    ) -> Float[Tensor, "unit receiver"]:
        """The same of units' writes; `past` is the slope of a norm that they pass."""
        if self.factored is None:
            dense = self.in_full if past is None else past.backward(self.in_full)
            slopes = dense @ directions.T
            return torch.einsum("rbpu,ubp->ur", slopes, coefficients)
        if past is None:
            return self.factored.meet(coefficients, directions)
        # J d = (w P d - w unit (unit . d) / d_model) / size: a direction, and what all units share.
        passed = directions - directions.mean(-1, keepdim=True) if past.centred else directions
        scaled = coefficients * past.per_size[..., 0]
        found = self.factored.meet(scaled, passed * past.weight)
        shared = torch.einsum("rbpd,bpd->bpr", self.in_full, past.weight * past.unit)
        own = scaled * (past.unit @ directions.T).movedim(-1, 0) / directions.shape[-1]
        return found - own.flatten(1) @ shared.flatten(0, 1)
