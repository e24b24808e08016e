"""Directions as the residual stream sees them, and dictionaries of heads side by side, by head.

A dictionary of `attn_z` reads all heads' values before the output projection, and a direction of
it is a row of such values: what a unit writes to the stream is the projection of that row, and the
part of it that goes through one head is that head's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.protocol import Dictionary, Units
from discovery.models.base import ModelAdapter
from discovery.models.half import product
from graph_schema.documents.dictionary import Place


def stream_directions(
    dictionary: Dictionary, adapter: ModelAdapter, units: Units = None, layer: int | None = None
) -> Float[Tensor, "unit d_model"]:
    """What each unit adds to the layer's output: through the output or down projection, if before.

    Norms after a sublayer come later: they act on the sum of what is written.
    """
    site, found = dictionary.document.site, dictionary.directions(units, layer)
    own = site.layer if layer is None else layer
    if own is None:
        return found
    if site.writes is Place.NEURONS:
        return product(found, adapter.mlp_weights(own).down.T)
    if site.writes is not Place.ATTN_Z:
        return found
    weights = adapter.out_weights(own)
    if site.head is not None:
        return product(found, weights[site.head].T)
    return product(found, rearrange(weights, "head d_head d_model -> d_model (head d_head)"))


@dataclass(frozen=True)
class ByHead:
    """A dictionary of heads side by side, taken apart: `a1.h0.f12` is unit 12's part in head 0."""

    dictionary: LinearDictionary
    n_heads: int

    def encoder(self, head: int, units: Units = None) -> Float[Tensor, "unit d_head"]:
        """What units read of one head's values."""
        return self._cut(self.dictionary.encoder, head, units)

    def contributions(
        self, z: Float[Tensor, "batch head pos d_head"], units: Units = None
    ) -> Float[Tensor, "batch head pos unit"]:
        """Each head's part of the pre-activations; with the bias they sum to it."""
        rows = rearrange(
            self.dictionary.encoder if units is None else self.dictionary.encoder[units],
            "unit (head d_head) -> head unit d_head",
            head=self.n_heads,
        )
        return einsum(
            z,
            rows.to(z.dtype),
            "batch head pos d_head, head unit d_head -> batch head pos unit",
        )

    def directions(
        self, adapter: ModelAdapter, head: int, units: Units = None
    ) -> Float[Tensor, "unit d_model"]:
        """What units write to the stream through one head; summed over heads, all they write."""
        rows = self._cut(self.dictionary.directions(), head, units)
        return product(rows, adapter.out_weights(self.dictionary.layer)[head].T)

    def _cut(self, weights: Tensor, head: int, units: Units) -> Tensor:
        by_head = rearrange(weights, "unit (head d_head) -> head unit d_head", head=self.n_heads)
        return by_head[head] if units is None else by_head[head][units]
