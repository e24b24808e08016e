"""Which tokens a unit's direction promotes and suppresses at the logits, by the direct path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.dictionaries.streams import stream_directions
from discovery.features.token_texts import TokenTexts
from discovery.models import ModelAdapter
from discovery.models.norms import Norm
from graph_schema.documents.dictionary import Place
from graph_schema.documents.feature import TokenWeight

NUMBERS = 2**24
"""Logits at once."""
SHORT = 1e-2
"""Length of the step along a direction whose logits are taken: soft-capped ones bend further out
(at 30 by 4e-6 of it)."""

_AFTER: dict[Place, Literal["attn", "mlp"]] = {
    Place.MLP_OUT: "mlp",
    Place.NEURONS: "mlp",
    Place.ATTN_Z: "attn",
    Place.ATTN_OUT: "attn",
    Place.HEAD_OUT: "attn",
}
"""Places before the norm that may follow a sublayer, and whose it is."""


@torch.no_grad()
def directions_read(
    adapter: ModelAdapter, dictionary: Dictionary, units: Sequence[int]
) -> Float[Tensor, "unit d_model"]:
    """Units' directions as the unembedding reads them, with the size of every norm left out.

    That is past the weight of the norm after their sublayer, where there is one, and of the final
    norm; a LayerNorm takes the mean off. Of a cross-layer unit summed over the layers it writes to.
    """
    site = dictionary.document.site
    chosen = torch.tensor(list(units), dtype=torch.long, device=adapter.device)
    total = torch.zeros(
        len(chosen), adapter.shape.d_model, dtype=adapter.dtype, device=adapter.device
    )
    for layer in site.written or (None,):
        rows = stream_directions(dictionary, adapter, chosen, layer).to(total.dtype)
        if layer is not None and (sublayer := _AFTER.get(site.writes)) is not None:
            rows = _weighted(adapter.closed_form(layer, sublayer, after=True), rows)
        total = total + rows
    return _weighted(adapter.closed_form(adapter.shape.n_layers, "logits"), total)


def _weighted(norm: Norm | None, rows: Tensor) -> Tensor:
    if norm is None:
        return rows
    return (rows - rows.mean(-1, keepdim=True) if norm.centred else rows) * norm.weight


@torch.no_grad()
def promoted(
    adapter: ModelAdapter,
    rows: Float[Tensor, "unit d_model"],
    texts: TokenTexts,
    n: int,
    done: Callable[[int], None] | None = None,
) -> list[tuple[tuple[TokenWeight, ...], tuple[TokenWeight, ...]]]:
    """For each direction the `n` tokens whose logits it raises and lowers most, with how far.

    A weight is the slope of the token's logit, less the mean over tokens. Tokens of no effect are
    left out. `done` is told of each block how many directions it had.
    """
    found: list[tuple[tuple[TokenWeight, ...], tuple[TokenWeight, ...]]] = []
    start = adapter.logits(rows.new_zeros(1, rows.shape[-1]))
    n = min(n, start.shape[-1])
    for block in rows.split(max(1, NUMBERS // start.shape[-1])):
        length = block.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(block.dtype).tiny)
        steps = adapter.logits(block / length * SHORT) - start
        slopes = (steps - steps.mean(-1, keepdim=True)) * (length / SHORT)
        (up, raised), (down, lowered) = slopes.topk(n), slopes.topk(n, largest=False)
        found += [
            (
                _weights(raised[row], up[row].clamp(min=0), texts),
                _weights(lowered[row], down[row].clamp(max=0), texts),
            )
            for row in range(len(block))
        ]
        if done is not None:
            done(len(block))
    return found


def _weights(tokens: Tensor, weights: Tensor, texts: TokenTexts) -> tuple[TokenWeight, ...]:
    return tuple(
        TokenWeight(token=token, text=texts.output(token), weight=float(f"{weight:.4g}"))
        for token, weight in zip(tokens.tolist(), weights.tolist(), strict=True)
        if weight != 0
    )
