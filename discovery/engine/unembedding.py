"""Losses from rows of the final residual stream, without ever holding the whole of their logits.

Some metrics read a few tokens' logits and no more. KL needs every token's, which for a vocabulary
of 50,257 and a few tries is more than a processor's caches hold: here the vocabulary goes by in
blocks, and of each block two sums are kept.
"""

from __future__ import annotations

from collections.abc import Generator

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.forward import logits_at
from discovery.engine.metrics import Objective
from discovery.models import ModelAdapter
from graph_schema.documents import Metric

BLOCK = {"cpu": 2**20}
"""Logits at a time, by type of device; others take `LARGE_BLOCK`."""
LARGE_BLOCK = 2**26
FEWEST = 1024
"""Columns of a block, however many rows there are."""

Rows = Float[Tensor, "try batch target d_model"]


@torch.no_grad()
def losses_at(
    adapter: ModelAdapter, objective: Objective, rows: Rows
) -> Float[Tensor, "try batch"]:
    """What each try loses, from what the logits read."""
    if (tokens := objective.tokens) is not None:
        ids = tokens.ids.expand(len(rows), *tokens.ids.shape)
        return objective.loss_of_tokens(logits_at(adapter, rows, ids))
    normed = adapter.norm(adapter.shape.n_layers, "logits", rows)
    if objective.metric is Metric.KL:
        found = _kl(adapter, objective, normed)
        if bool(found.isfinite().all()):
            return found
        # A probability that grew beyond e^88 times what it was, or no number at all.
    return torch.stack([objective.loss(logits) for logits in adapter.logits(normed)])


def _kl(adapter: ModelAdapter, objective: Objective, normed: Rows) -> Float[Tensor, "try batch"]:
    """KL(clean || patched) = log Σ p e^Δ - Σ p Δ, where Δ is what patching adds to the logits.

    Small changes are told apart better so than by two logarithms of nearly equal numbers.
    """
    clean, p = objective.clean_logits, objective.p_clean
    assert clean is not None, "kl needs the clean run's logits"
    mean, grown = (normed.new_zeros(normed.shape[:-1]) for _ in "mg")
    for part in _blocks(normed, clean.shape[-1]):
        change = adapter.logits(normed, part).sub_(clean[..., part])
        weights = p[..., part]
        mean += torch.einsum("tbpv,bpv->tbp", change, weights)
        grown += torch.einsum("tbpv,bpv->tbp", change.expm1_(), weights)
    return objective.target.mean(grown.log1p() - mean)


def _blocks(normed: Rows, n_vocab: int) -> Generator[slice]:
    size = BLOCK.get(normed.device.type, LARGE_BLOCK) // normed[..., 0].numel()
    for start in range(0, n_vocab, max(size, FEWEST)):
        yield slice(start, min(start + max(size, FEWEST), n_vocab))
