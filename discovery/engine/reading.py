"""What receivers read: the mixture of kept senders' writes and dropped senders' ablated ones.

Sender s now writes `ablated[s] + delta[s]`: a delta is an activation difference. A receiver's read
is what it would read with everything ablated (its `base`) plus the deltas of the senders it keeps.
Families with post-norms (Gemma 2) norm each sublayer's part of that mixture on the way, so there a
read is the base plus, for every sublayer, how much the kept deltas move the normed part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.forward import add_const
from discovery.engine.graph import BoolMatrix
from discovery.engine.splice import Basis
from discovery.engine.window import Window
from discovery.engine.writes import Writes
from discovery.models import Sublayer

LARGEST = 2**24
"""Coefficients of columns, one a unit, batch and position, that are held at once."""


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
class Numbering:
    """Under which row of its kind a sender is found: `of` [sender].

    `units` are the graph's rows of the directed ones that have a number; None: those of all.
    """

    of: NDArray[np.intp]
    units: NDArray[np.intp] | None = None


@dataclass(frozen=True)
class Rows:
    """Senders of one kind, by their rows, that columns keep: `weights` is 1 where kept.

    Directed ones have their directions.
    """

    rows: slice | Tensor
    weights: Float[Tensor, "column row"]
    directions: Float[Tensor, "row d_model"] | None = None


@dataclass(frozen=True)
class Part:
    """Senders that columns keep, of either kind."""

    dense: Rows | None
    directed: Rows | None
    within: Within | None = None

    def of_columns(self, columns: Sequence[int]) -> Part:
        """Of some columns."""
        dense, directed = (
            None if rows is None else replace(rows, weights=rows.weights[list(columns)])
            for rows in (self.dense, self.directed)
        )
        within = self.within
        if within is not None and len(within.raw) > 1:
            within = replace(within, raw=within.raw[list(columns)])
        return Part(dense, directed, within)


@dataclass(frozen=True)
class Mixture:
    """Columns of a kept set, ready to be read at one place of the stream.

    `fixed` [1 or column, ...] is what does not move; `moving` is read anew each time. A `narrow`
    one is read at the metric's positions alone.
    """

    fixed: Tensor
    moving: tuple[Part, ...]
    narrow: bool = False

    def of_columns(self, columns: Sequence[int]) -> Mixture:
        """Some of the columns."""
        fixed = self.fixed if len(self.fixed) == 1 else self.fixed[list(columns)]
        moving = tuple(part.of_columns(columns) for part in self.moving)
        return Mixture(fixed, moving, self.narrow)


def beside(x: Float[Tensor, "column batch *rest"], n: int) -> Float[Tensor, "column _ *rest"]:
    """`n` copies of the chunk's examples, one after the other."""
    return x if n == 1 else x[:, None].expand(-1, n, *x.shape[1:]).flatten(1, 2)


class Reading:
    """Reads mixtures of one chunk of pairs. `places` are numbered along the residual stream."""

    def __init__(self, basis: Basis, ablated: Writes, window: Window) -> None:
        self._window, self._basis, self._graph = window, basis, basis.graph
        self._adapter, self.dtype = basis.adapter, ablated.dense.dtype
        graph = self._graph
        base = self._basis.total(range(graph.n_inputs), ablated)
        self._bases: list[Tensor] = []
        self._blocks: list[Block] = []
        for layer in range(graph.n_layers):
            self._bases.append(base)
            heads, mlp = graph.head_senders(layer), graph.mlp_senders(layer)
            after = base + self._block(layer, "attn", range(heads.start, heads.stop), ablated)
            self._bases.append(base if graph.parallel else after)
            base = after + self._block(layer, "mlp", range(mlp.start, mlp.stop), ablated)
        self._bases.append(base)

    def _block(self, layer: int, sublayer: Sublayer, senders: range, ablated: Writes) -> Tensor:
        """What a sublayer adds to the stream with everything ablated."""
        raw = self._basis.total(senders, ablated)
        if self._basis.past_norm(layer, sublayer):
            return raw
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
        delta: Writes,
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
        every = Numbering(self._graph.rows)
        numbers = every if moving is None else self._among(moving)
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
                    raw = self._add(
                        self._part(columns, still, every), delta, raw, self._window, narrow
                    )
                within = Within(block.layer, block.sublayer, raw, normed)
                if (here := inside & moves).any():
                    parts.append(replace(self._part(columns, here, numbers), within=within))
                else:
                    fixed = fixed + (self._norm(block.layer, block.sublayer, raw) - normed)
        if (still := kept & ~moves & linear).any():
            fixed = self._add(self._part(columns, still, every), delta, fixed, self._window, narrow)
        if (here := moves & linear).any():
            parts.append(self._part(columns, here, numbers))
        return Mixture(fixed, tuple(parts), narrow)

    def _at(self, x: Float[Tensor, "batch pos d_model"], narrow: bool) -> Tensor:
        return self._window.at_targets(x) if narrow else x

    def _among(self, moving: NDArray[np.bool_]) -> Numbering:
        graph = self._graph
        directed = graph.directed[: len(moving)]
        units = graph.rows[: len(moving)][moving & directed] if graph.n_directed else None
        return Numbering(graph.rows_among(moving), units)

    def _part(self, columns: BoolMatrix, chosen: NDArray[np.bool_], numbers: Numbering) -> Part:
        """The chosen senders, found by their numbers."""
        if not self._graph.n_directed:
            return Part(self._rows(columns, np.flatnonzero(chosen), numbers), None)
        units = self._graph.directed[: len(chosen)]
        dense = self._rows(columns, np.flatnonzero(chosen & ~units), numbers)
        directed = self._rows(columns, np.flatnonzero(chosen & units), numbers)
        if directed is not None:
            rows = directed.rows
            if numbers.units is not None:
                own = torch.from_numpy(numbers.units).to(self._adapter.device)
                rows = own[rows]
            directed = replace(directed, directions=self._basis.directions[rows].to(self.dtype))
        return Part(dense, directed)

    def _rows(
        self, columns: BoolMatrix, senders: NDArray[np.intp], numbers: Numbering
    ) -> Rows | None:
        if not len(senders):
            return None
        places = numbers.of[senders]
        first, last = int(places[0]), int(places[-1]) + 1
        device = self._adapter.device
        # A dense run is read in place, with zero weights for the few rows that are not kept.
        if len(places) >= 0.6 * (last - first):
            weights = np.zeros((last - first, columns.shape[1]), dtype=np.bool_)
            weights[places - first] = columns[senders]
            taken: slice | Tensor = slice(first, last)
        else:
            weights, taken = columns[senders], torch.from_numpy(places).to(device)
        return Rows(taken, torch.from_numpy(weights.T).to(device, self.dtype))

    def read(
        self, mixture: Mixture, delta: Writes, window: Window
    ) -> Float[Tensor, "column lane_batch place d_model"]:
        """What each column reads now; `delta` holds several copies of the chunk, as `window`."""
        n = delta.dense.shape[1] // self._window.positions.shape[0]
        x = beside(mixture.fixed, n)
        for part in mixture.moving:
            x = self._add(part, delta, x, window, mixture.narrow)
        return x

    def _add(self, part: Part, delta: Writes, onto: Tensor, window: Window, narrow: bool) -> Tensor:
        """`onto` with what a part adds to it."""
        within = part.within
        if within is None:
            return self._plus(part, delta, onto, window, narrow)
        n = delta.dense.shape[1] // within.normed.shape[1]
        mixed = self._plus(part, delta, beside(within.raw, n), window, narrow)
        normed = self._norm(within.layer, within.sublayer, mixed)
        return onto + (normed - beside(within.normed, n))

    def _plus(
        self, part: Part, delta: Writes, onto: Tensor, window: Window, narrow: bool
    ) -> Tensor:
        """`onto` with the sum of what the senders of a part write."""
        if (dense := part.dense) is not None:
            rows = delta.dense[dense.rows]
            if narrow:
                rows = window.at_targets(rows)
            flat = rearrange(rows, "row batch pos d_model -> row (batch pos d_model)")
            start = rearrange(onto, "column batch pos d_model -> column (batch pos d_model)")
            onto = rearrange(
                torch.addmm(start, dense.weights, flat),
                "column (batch pos d_model) -> column batch pos d_model",
                batch=rows.shape[1],
                pos=rows.shape[2],
            )
        if (directed := part.directed) is not None:
            assert directed.directions is not None
            units = delta.units[directed.rows]
            if narrow:
                units = window.at_targets(units[..., None])[..., 0]
            units = units.movedim(0, -1)
            together = max(1, LARGEST // units.numel())
            found = [
                (weights[:, None, None] * units) @ directed.directions
                for weights in directed.weights.split(together)
            ]
            onto = onto + (found[0] if len(found) == 1 else torch.cat(found))
        return onto
