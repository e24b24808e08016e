"""What the zoo's models are trained on and how well they do it: random sequences, repeated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedModel

from discovery.models.zoo.recipes import D_VOCAB, N_CTX, Recipe

Sample = Callable[[int], tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch target"]]]
"""From a batch size to tokens, and which of their next tokens count in the loss."""


def sampler(recipe: Recipe, generator: torch.Generator) -> Sample:
    if recipe.data == "markov":
        return _markov(generator)
    return lambda batch: repeated(batch, recipe.min_period, recipe.max_period, generator)


def repeated(
    batch: int, min_period: int, max_period: int, generator: torch.Generator
) -> tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch target"]]:
    """Segments of distinct random tokens, repeated; targets count after one full period."""
    period = torch.randint(min_period, max_period + 1, (batch, 1), generator=generator)
    order = torch.rand(batch, D_VOCAB, generator=generator).argsort(dim=1)
    place = torch.arange(N_CTX).expand(batch, N_CTX)
    return order.gather(1, place % period), place[:, 1:] > period


def _markov(generator: torch.Generator) -> Sample:
    """A chain in which every token has four successors, drawn once; every target counts."""
    successors = torch.randint(D_VOCAB, (D_VOCAB, 4), generator=generator)

    def sample(batch: int) -> tuple[Int[Tensor, "batch pos"], Bool[Tensor, "batch target"]]:
        choice = torch.randint(4, (batch, N_CTX), generator=generator)
        tokens = torch.randint(D_VOCAB, (batch, N_CTX), generator=generator)
        for i in range(1, N_CTX):
            tokens[:, i] = successors[tokens[:, i - 1], choice[:, i]]
        return tokens, torch.ones(batch, N_CTX - 1, dtype=torch.bool)

    return sample


@torch.no_grad()
def accuracy_by_period(
    model: PreTrainedModel, periods: tuple[int, ...] = (4, 8, 12, 16, 20), batch: int = 64
) -> dict[int, float]:
    """Share of repeated targets that are the top token, by repeat period, on fresh sequences."""
    generator = torch.Generator().manual_seed(2**31)
    found: dict[int, float] = {}
    for period in periods:
        tokens, scored = repeated(batch, period, period, generator)
        top = model(input_ids=tokens).logits[:, :-1].argmax(-1)
        found[period] = (top == tokens[:, 1:])[scored].double().mean().item()
    return found
