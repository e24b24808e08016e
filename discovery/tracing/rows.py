"""Rows of an attribution graph: what every source gives to a target, linearly.

A target's reading vector is put into the stream where it reads, and goes back through norms,
attention and skip connections with everything held; on its way it meets each source's write. So a
weight is the source's contribution to the target's value, through any attention in between and
through no other unit, and a row sums to the value less what constants give (biases, and what the
MLPs write at positions that have no nodes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discovery.models.base import Sublayer
from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenModel, Grad
from discovery.tracing.sources import Sources

TOGETHER = 256
"""Rows that go back side by side."""


@dataclass(frozen=True)
class Reads:
    """Targets that read the stream at one place: before a sublayer, or after the last layer.

    Attributes:
        layer: The number of layers for the logits.
        row: Which row of the result each is.
        position: Of each; it reads nothing after it.
        vectors: What each reads: at its position, or, before attention, at every one.
    """

    layer: int
    sublayer: Sublayer
    row: Int[Tensor, " n"]
    position: Int[Tensor, " n"]
    vectors: Float[Tensor, "n d_model"] | Float[Tensor, "n pos d_model"]

    @property
    def place(self) -> int:
        """Where in the forward pass."""
        return 2 * self.layer + (self.sublayer == "mlp")


@torch.no_grad()
def edge_rows(
    model: FrozenModel,
    cuts: Sequence[Cut],
    sources: Sources,
    reads: Sequence[Reads],
    *,
    together: int = TOGETHER,
    progress: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "row column"]:
    """Weights of the edges from every source to some targets, whose rows are numbered from 0."""
    n_rows = sum(len(each.row) for each in reads)
    example = model.final.normed
    into = example.new_zeros((n_rows, sources.n))
    # Side by side go targets at near positions: nothing after them is read.
    order = sorted(
        (int(position), -each.place, number, i)
        for number, each in enumerate(reads)
        for i, position in enumerate(each.position.tolist())
    )
    for start in range(0, len(order), together):
        if progress:
            progress(start, n_rows)
        chunk = sorted(order[start : start + together], key=lambda each: each[1])
        n = max(each[0] for each in chunk) + 1
        picked = [(reads[number], i) for _, _, number, i in chunk]
        rows = torch.tensor([int(read.row[i]) for read, i in picked], device=into.device)
        into[rows] = _Pass(model, cuts, sources, picked, n).run()
    return into


class _Pass:
    """One pass back, of targets from the latest layer to the earliest."""

    def __init__(
        self,
        model: FrozenModel,
        cuts: Sequence[Cut],
        sources: Sources,
        picked: list[tuple[Reads, int]],
        n: int,
    ) -> None:
        self.model, self.cuts, self.sources = model, cuts, sources
        self.picked = picked
        d_model = model.final.normed.shape[1]
        self.grad = model.final.normed.new_zeros((len(picked), n, d_model))
        self.into = model.final.normed.new_zeros((len(picked), sources.n))
        self.joined = 0

    def run(self) -> Float[Tensor, "row column"]:
        model = self.model
        last = len(model.layers)
        self._join(2 * last)
        for layer in reversed(range(last)):
            if self.joined:
                self._layer(layer)
            else:
                self._join(2 * layer + 1)
                # In parallel blocks an MLP reads the stream before its layer's attention.
                if self.joined and not model.adapter.parallel:
                    self._attention(layer)
            self._join(2 * layer)
        self.sources.meet_inputs(self.grad, self.into)
        return self.into

    def _layer(self, layer: int) -> None:
        """Past a layer of which some targets come after."""
        model, n = self.model, self.joined
        g, into = self.grad[:n], self.into[:n]
        self.sources.meet(layer, "mlp", g, into)
        added = self._passed(layer, g)
        if not model.adapter.parallel:
            if added is not None:
                g += added
            self._join(2 * layer + 1)
            self._attention(layer)
            return
        # Both sublayers read the stream before the layer, where targets of both start.
        self._attention(layer)
        if added is not None:
            g += added
        self._join(2 * layer + 1)

    def _attention(self, layer: int) -> None:
        """Past the attention, or, where heads are nodes, to them and no further."""
        g, into = self.grad[: self.joined], self.into[: self.joined]
        if self.sources.heads:
            self.sources.meet(layer, "attn", g, into)
        else:
            g += self.model.attention_back(layer, g)

    def _passed(self, layer: int, grad: Grad) -> Grad | None:
        """What comes back through skip connections of a layer's dictionary."""
        total: Grad | None = None
        for cut in self.cuts:
            if cut.layer == layer and cut.passes():
                along = grad
                if not cut.past_norm:
                    here = self.model.layers[layer]
                    along = here.mlp_added.back(grad, slice(0, grad.shape[1]))
                found = cut.passed_back(along)
                total = found if total is None else total + found
        return total

    def _join(self, place: int) -> None:
        """Let the targets of a place start."""
        while self.joined < len(self.picked) and self.picked[self.joined][0].place == place:
            read, i = self.picked[self.joined]
            vectors, into = read.vectors[i], self.grad[self.joined]
            if vectors.ndim == 1:
                into[read.position[i]] += vectors
            else:
                into += vectors[: len(into)]
            self.joined += 1
