"""What receivers read: the mixture of kept senders' writes and dropped senders' ablated ones.

Sender s now writes `ablated[s] + delta[s]`. A receiver's read is what it would read with
everything ablated (its `base`) plus the deltas of the senders it keeps. Families with post-norms
(Gemma 2) norm each sublayer's part of that mixture on the way, so there a read is the base plus,
for every sublayer, how much the kept deltas move the normed part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.forward import add_const, at_positions
from discovery.engine.graph import BoolMatrix, Graph
from discovery.models import ModelAdapter, Sublayer

Delta = Float[Tensor, "sender batch pos d_model"]


@dataclass(frozen=True)
class Block:
    """Senders that share a post-norm: a layer's heads or its MLP, with everything ablated."""

    senders: range
    layer: int
    sublayer: Sublayer
    raw: Float[Tensor, "batch pos d_model"]
    normed: Float[Tensor, "batch pos d_model"]


@dataclass(frozen=True)
class Part:
    """Senders that columns keep: `weights` [column, row], 1 where kept; `block` to norm in."""

    rows: slice | Tensor
    weights: Float[Tensor, "column row"]
    block: Block | None = None


@dataclass(frozen=True)
class Mixture:
    """Columns of a kept set, ready to be read at one place of the stream.

    `fixed` [1 or column, ...] is what does not move; `moving` is read anew each time. With
    `positions` the read is taken at these alone.
    """

    fixed: Tensor
    moving: tuple[Part, ...]
    positions: Tensor | None = None


class Reader:
    """Reads mixtures of one chunk of pairs. `places` are numbered along the residual stream."""

    def __init__(
        self,
        adapter: ModelAdapter,
        graph: Graph,
        ablated: Float[Tensor, "sender batch pos d_model"],
    ) -> None:
        self._adapter, self._graph, self.dtype = adapter, graph, ablated.dtype
        base = ablated[: graph.n_inputs].sum(0)
        self._bases: list[Tensor] = []
        self._blocks: list[Block] = []
        for layer in range(graph.n_layers):
            self._bases.append(base)
            heads = graph.head_senders(layer)
            after = base + self._block(layer, "attn", range(heads.start, heads.stop), ablated)
            self._bases.append(base if graph.parallel else after)
            mlp = graph.mlp_sender(layer)
            base = after + self._block(layer, "mlp", range(mlp, mlp + 1), ablated)
        self._bases.append(base)

    def _block(self, layer: int, sublayer: Sublayer, senders: range, ablated: Delta) -> Tensor:
        """What a sublayer adds to the stream with everything ablated."""
        raw = ablated[senders.start : senders.stop].sum(0)
        if sublayer == "attn":
            raw = add_const(self._adapter, layer, raw)
        if not self._adapter.post_norms:
            return raw
        normed = self._norm(layer, sublayer, raw)
        self._blocks.append(Block(senders, layer, sublayer, raw, normed))
        return normed

    def _norm(self, layer: int, sublayer: Sublayer, raw: Tensor) -> Tensor:
        return self._adapter.post_norm(layer, sublayer, raw.to(self._adapter.dtype)).to(self.dtype)

    def attention(self, layer: int) -> int:
        """The place that a layer's heads read."""
        return 2 * layer

    def mlp(self, layer: int) -> int:
        return 2 * layer + 1

    @property
    def logits(self) -> int:
        return 2 * self._graph.n_layers

    def mixture(
        self,
        place: int,
        columns: BoolMatrix,
        delta: Delta,
        moving: NDArray[np.bool_] | None = None,
        positions: Tensor | None = None,
    ) -> Mixture:
        """Prepare `columns` [sender, column] of a kept set for reading at `place`.

        `moving` marks the senders whose writes will change between reads (None: all); the rest is
        read from `delta` once, now.
        """
        still, moves = self._parts(columns, moving)
        base = self._bases[place]
        fixed = (base if positions is None else at_positions(base, positions))[None]
        for part in still:
            fixed = self._contribution(part, delta, positions, fixed)
        return Mixture(fixed, tuple(moves), positions)

    def _parts(
        self, columns: BoolMatrix, moving: NDArray[np.bool_] | None
    ) -> tuple[list[Part], list[Part]]:
        """What `columns` keep, cut by post-norm: the parts that stay, the parts that move."""
        kept: NDArray[np.bool_] = np.any(columns, axis=1)
        moves = kept if moving is None else kept & moving
        found: tuple[list[Part], list[Part]] = ([], [])
        linear = np.ones_like(kept)
        for block in self._blocks:
            inside = slice(block.senders.start, block.senders.stop)
            linear[inside] = False
            if kept[inside].any():
                rows = np.zeros_like(kept)
                rows[inside] = kept[inside]
                # A norm mixes its senders, so a block moves as a whole.
                found[bool(moves[inside].any())].append(self._part(columns, rows, block))
        for moved, rows in enumerate((kept & ~moves & linear, moves & linear)):
            if rows.any():
                found[moved].append(self._part(columns, rows))
        return found

    def _part(
        self, columns: BoolMatrix, rows: NDArray[np.bool_], block: Block | None = None
    ) -> Part:
        numbers = np.flatnonzero(rows)
        first, last = int(numbers[0]), int(numbers[-1]) + 1
        device = self._adapter.device
        # A dense run is read in place, with zero weights for the few rows that are not kept.
        if len(numbers) >= 0.6 * (last - first):
            weights = columns[first:last] & rows[first:last, None]
            taken: slice | Tensor = slice(first, last)
        else:
            weights, taken = columns[numbers], torch.from_numpy(numbers).to(device)
        return Part(taken, torch.from_numpy(weights.T).to(device, self.dtype), block)

    def read(self, mixture: Mixture, delta: Delta) -> Float[Tensor, "column batch place d_model"]:
        """What each column reads now, in the dtype of sums (modules get the model's)."""
        x = mixture.fixed
        for part in mixture.moving:
            x = self._contribution(part, delta, mixture.positions, x)
        return x

    def _contribution(
        self, part: Part, delta: Delta, positions: Tensor | None, onto: Tensor
    ) -> Tensor:
        """`onto` with what a part adds to the base."""
        rows = delta[part.rows]
        if positions is not None:
            rows = at_positions(rows, positions)
        flat = rearrange(rows, "row batch pos d_model -> row (batch pos d_model)")
        sizes = {"batch": rows.shape[1], "pos": rows.shape[2]}
        back = "column (batch pos d_model) -> column batch pos d_model"
        block = part.block
        if block is None:
            start = rearrange(onto, "column batch pos d_model -> column (batch pos d_model)")
            return rearrange(torch.addmm(start, part.weights, flat), back, **sizes)
        raw, normed = block.raw, block.normed
        if positions is not None:
            raw, normed = at_positions(raw, positions), at_positions(normed, positions)
        mixed = raw + rearrange(part.weights @ flat, back, **sizes)
        return onto + (self._norm(block.layer, block.sublayer, mixed) - normed)
