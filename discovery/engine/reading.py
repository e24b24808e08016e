"""What receivers read: the mixture of kept senders' writes and dropped senders' ablated ones.

Sender s now writes `ablated[s] + delta[s]`: a delta is an activation difference. A receiver's read
is what it would read with everything ablated (its `base`) plus the deltas of the senders it keeps.
Families with post-norms (Gemma 2) norm each sublayer's part of that mixture on the way, so there a
read is the base plus, for every sublayer, how much the kept deltas move the normed part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.forward import add_const
from discovery.engine.graph import BoolMatrix, Graph
from discovery.engine.window import Window
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
class Within:
    """A post-norm that a part passes: what does not move goes through it too, `normed` is its base.

    `raw` is [1 or column, batch, place, d_model].
    """

    layer: int
    sublayer: Sublayer
    raw: Tensor
    normed: Tensor


@dataclass(frozen=True)
class Part:
    """Senders that columns keep: `weights` [column, row], 1 where kept."""

    rows: slice | Tensor
    weights: Float[Tensor, "column row"]
    within: Within | None = None


@dataclass(frozen=True)
class Mixture:
    """Columns of a kept set, ready to be read at one place of the stream.

    `fixed` [1 or column, ...] is what does not move; `moving` is read anew each time. A `narrow`
    one is read at the metric's positions alone.
    """

    fixed: Tensor
    moving: tuple[Part, ...]
    narrow: bool = False


def beside(x: Float[Tensor, "column batch *rest"], n: int) -> Float[Tensor, "column _ *rest"]:
    """`n` copies of the chunk's examples, one after the other."""
    return x if n == 1 else x[:, None].expand(-1, n, *x.shape[1:]).flatten(1, 2)


class Reading:
    """Reads mixtures of one chunk of pairs. `places` are numbered along the residual stream."""

    def __init__(
        self,
        adapter: ModelAdapter,
        graph: Graph,
        ablated: Float[Tensor, "sender batch pos d_model"],
        window: Window,
    ) -> None:
        self._window = window
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
        return self._adapter.post_norm(layer, sublayer, raw)

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
        *,
        narrow: bool = False,
    ) -> Mixture:
        """Prepare `columns` [sender, column] of a kept set for reading at `place`.

        `moving` marks the senders whose writes will change between reads: they are read from the
        rows of these senders alone, the rest from `delta` once, now. None: all change, and are read
        from the rows of all.
        """
        kept: NDArray[np.bool_] = np.any(columns, axis=1)
        moves = kept if moving is None else kept & moving
        numbers = None if moving is None else np.cumsum(moving) - 1
        fixed = self._at(self._bases[place], narrow)[None]
        parts: list[Part] = []
        linear = np.ones_like(kept)
        for block in self._blocks:
            inside = np.zeros_like(kept)
            inside[block.senders.start : block.senders.stop] = True
            linear &= ~inside
            inside &= kept
            if inside.any():
                # A norm mixes its senders, so what stays goes through it with what moves.
                raw = self._at(block.raw, narrow)[None]
                normed = self._at(block.normed, narrow)[None]
                if (still := inside & ~moves).any():
                    raw = self._add(self._part(columns, still), delta, raw, self._window, narrow)
                within = Within(block.layer, block.sublayer, raw, normed)
                if (here := inside & moves).any():
                    parts.append(replace(self._part(columns, here, numbers), within=within))
                else:
                    fixed = fixed + (self._norm(block.layer, block.sublayer, raw) - normed)
        if (still := kept & ~moves & linear).any():
            fixed = self._add(self._part(columns, still), delta, fixed, self._window, narrow)
        if (here := moves & linear).any():
            parts.append(self._part(columns, here, numbers))
        return Mixture(fixed, tuple(parts), narrow)

    def _at(self, x: Float[Tensor, "batch pos d_model"], narrow: bool) -> Tensor:
        return self._window.at_targets(x) if narrow else x

    def _part(
        self,
        columns: BoolMatrix,
        rows: NDArray[np.bool_],
        numbers: NDArray[np.intp] | None = None,
    ) -> Part:
        """The senders `rows`, found under `numbers` (None: their own)."""
        senders = np.flatnonzero(rows)
        places = senders if numbers is None else numbers[senders]
        first, last = int(places[0]), int(places[-1]) + 1
        device = self._adapter.device
        # A dense run is read in place, with zero weights for the few rows that are not kept.
        if len(places) >= 0.6 * (last - first):
            weights = np.zeros((last - first, columns.shape[1]), dtype=np.bool_)
            weights[places - first] = columns[senders]
            taken: slice | Tensor = slice(first, last)
        else:
            weights, taken = columns[senders], torch.from_numpy(places).to(device)
        return Part(taken, torch.from_numpy(weights.T).to(device, self.dtype))

    def read(
        self, mixture: Mixture, delta: Float[Tensor, "row lane_batch pos d_model"], window: Window
    ) -> Float[Tensor, "column lane_batch place d_model"]:
        """What each column reads now; `delta` holds several copies of the chunk, as `window`."""
        n = delta.shape[1] // self._window.positions.shape[0]
        x = beside(mixture.fixed, n)
        for part in mixture.moving:
            x = self._add(part, delta, x, window, mixture.narrow)
        return x

    def _add(
        self,
        part: Part,
        delta: Float[Tensor, "row lane_batch pos d_model"],
        onto: Tensor,
        window: Window,
        narrow: bool,
    ) -> Tensor:
        """`onto` with what a part adds to it."""
        rows = delta[part.rows]
        if narrow:
            rows = window.at_targets(rows)
        flat = rearrange(rows, "row batch pos d_model -> row (batch pos d_model)")
        sizes = {"batch": rows.shape[1], "pos": rows.shape[2]}
        back = "column (batch pos d_model) -> column batch pos d_model"
        within = part.within
        if within is None:
            start = rearrange(onto, "column batch pos d_model -> column (batch pos d_model)")
            return rearrange(torch.addmm(start, part.weights, flat), back, **sizes)
        n = rows.shape[1] // within.normed.shape[1]
        mixed = beside(within.raw, n) + rearrange(part.weights @ flat, back, **sizes)
        normed = self._norm(within.layer, within.sublayer, mixed)
        return onto + (normed - beside(within.normed, n))
