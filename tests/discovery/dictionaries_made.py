"""Small dictionaries with random weights, one of each kind of place, for the engine's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from discovery.engine.sites import Split
from discovery.engine.splice import Encodes, Splice
from discovery.models import MlpWeights, ModelAdapter

N_UNITS = 10


@dataclass(frozen=True)
class Made:
    """A sparse autoencoder (`top` units a row, None: ReLU), or of what an MLP reads a transcoder.

    A transcoder with `skip` adds a product of what it reads.
    """

    encodes: Encodes
    encoder: Tensor
    decoder: Tensor
    bias: Tensor
    top: int | None = None
    skip: Tensor | None = None

    @property
    def n_units(self) -> int:
        return len(self.decoder)

    def encode(self, x: Tensor) -> Tensor:
        found = (x @ self.encoder.T + 0.1).relu()
        if self.top is None:
            return found
        least = found.topk(self.top, -1).values[..., -1:]
        return found * (found >= least)

    def directions(self, units: Sequence[int]) -> Tensor:
        return self.decoder[list(units)]

    def decode(self, coefficients: Tensor, x: Tensor) -> Tensor:
        found = coefficients @ self.decoder + self.bias
        return found if self.skip is None else found + x @ self.skip.T


@dataclass(frozen=True)
class Neurons:
    """An MLP's own neurons."""

    weights: MlpWeights
    encodes: Encodes = Encodes.READ

    @property
    def n_units(self) -> int:
        return len(self.weights.down)

    def encode(self, x: Tensor) -> Tensor:
        return self.weights.neurons(x)

    def directions(self, units: Sequence[int]) -> Tensor:
        return self.weights.down[list(units)]

    def decode(self, coefficients: Tensor, x: Tensor) -> Tensor:
        return self.weights.write(coefficients)


def made(
    adapter: ModelAdapter,
    encodes: Encodes,
    *,
    seed: int = 0,
    top: int | None = None,
    skip: bool = False,
    output: Tensor | None = None,
) -> Made:
    """A dictionary; `output` [d_head, d_model] is the head's that a `mixed` one sits on."""
    sizes, generator = adapter.shape, torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(adapter.dtype) * 0.3

    d_in = sizes.d_head if encodes is Encodes.MIXED else sizes.d_model
    decoder, bias = random(N_UNITS, d_in), random(d_in)
    if output is not None:
        decoder, bias = decoder @ output, bias @ output
    return Made(
        encodes,
        random(N_UNITS, d_in),
        decoder,
        bias,
        top,
        random(sizes.d_model, d_in) if skip else None,
    )


def splices(adapter: ModelAdapter) -> tuple[Splice, ...]:
    """One of each kind, over the inputs and the first two layers: heads are left whole as well."""
    output = adapter.out_weights(0)[1].to(adapter.dtype)
    first = "embed" if adapter.split_embed else "input"
    return (
        Splice(Split(first, (3, 1)), made(adapter, Encodes.WRITE, seed=1)),
        Splice(Split("a0.h0", (0, 2, 5)), made(adapter, Encodes.WRITE, seed=2, top=4)),
        Splice(Split("a0.h1", (7,)), made(adapter, Encodes.MIXED, seed=3, output=output)),
        Splice(Split("m0", (1, 2, 8)), made(adapter, Encodes.READ, seed=4, skip=True)),
        Splice(Split("a1", (4, 6)), made(adapter, Encodes.WRITE, seed=5)),
        Splice(Split("m1", (0, 5, 3, 9), "n", error=False), Neurons(adapter.mlp_weights(1))),
    )
