"""What may send in an attribution graph, one column each: units, rests, errors, embeddings.

Units are neurons and features, and heads where they are nodes. `rest` is what those of a layer
write that are no columns of their own, so that whatever is left out, what a node reads is whole;
`error` is what dictionaries miss of an MLP's write, all of it where it has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.models.base import Sublayer
from discovery.tracing.cut import Cut
from discovery.tracing.frozen import FrozenModel, Grad, Stream
from discovery.tracing.heads import Heads
from graph_schema.documents.component import (
    error_name,
    feature_name,
    head_name,
    mlp_name,
    neuron_name,
    placed_name,
    rest_name,
)


@dataclass(frozen=True)
class Units:
    """Some of a cut's active units, from column `first` on; `bounds` are where positions begin."""

    cut: Cut | Heads
    index: Tensor
    first: int
    bounds: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        active = self.cut.active
        places = zip(active.position[self.index], active.unit[self.index], strict=True)
        return [placed_name(self._name(int(unit)), int(at)) for at, unit in places]

    def _name(self, unit: int) -> str:
        match self.cut.letter:
            case "h":
                return head_name(self.cut.layer, unit)
            case "n":
                return neuron_name(mlp_name(self.cut.layer), unit)
            case "f":
                return feature_name(mlp_name(self.cut.layer), unit)


@dataclass(frozen=True)
class Block:
    """One write a position, from column `first` on; positions before `start` have none.

    `writes` go to the layers that they are under, -1 for what is there before the first; `past`
    says whether past the norm after their sublayer.
    """

    unit: str
    sublayer: Sublayer
    writes: Mapping[int, Stream]
    past: bool
    first: int
    start: int
    n_positions: int

    @property
    def names(self) -> list[str]:
        return [placed_name(self.unit, at) for at in range(self.start, self.n_positions)]


class Sources:
    """Every column of a graph."""

    def __init__(
        self,
        model: FrozenModel,
        cuts: Sequence[Cut | Heads],
        kept: Sequence[Tensor],
        skip: int,
        *,
        limited: bool,
    ) -> None:
        """Lay columns out.

        Args:
            model: The run.
            cuts: Whose units there are.
            kept: Which of each cut's active units have columns, in ascending order.
            skip: Positions at the start whose units, rests and errors are no sources.
            limited: Not all of the units will be nodes.
        """
        self.model, self.skip = model, skip
        self.units: list[Units] = []
        self.blocks: list[Block] = []
        self.n = 0
        for cut, index in zip(cuts, kept, strict=True):
            places = cut.active.position[index]
            ends = torch.arange(model.n_positions + 1, device=places.device)
            bounds = torch.searchsorted(places, ends).tolist()
            self.units.append(Units(cut, index, self.n, tuple(bounds)))
            self.n += len(index)
        self.rests = [self._rest(each) if limited else None for each in self.units]
        for layer in range(len(model.layers)):
            self._error(layer)
        for name, write in model.inputs.items():
            self._block(name, "mlp", {-1: write}, past=True, start=0)

    @property
    def n_units(self) -> int:
        """The first columns."""
        return sum(len(each.index) for each in self.units)

    @property
    def heads(self) -> bool:
        """Whether heads are nodes, so that attention passes nothing on."""
        return any(isinstance(each.cut, Heads) for each in self.units)

    @property
    def names(self) -> list[str]:
        """Of all columns."""
        return [name for each in (*self.units, *self.blocks) for name in each.names]

    @torch.no_grad()
    def _rest(self, units: Units) -> Block:
        """What a cut's active units write that have no columns."""
        cut, index = units.cut, units.index
        places = cut.active.position[index]
        writes = {
            layer: cut.total(layer).index_add(0, places, cut.writes_of(index, layer), alpha=-1)
            for layer in cut.written
        }
        name = rest_name(("m" if cut.sublayer == "mlp" else "a") + str(cut.layer))
        return self._block(name, cut.sublayer, writes, past=cut.past_norm, start=self.skip)

    @torch.no_grad()
    def _error(self, layer: int) -> None:
        """What dictionaries miss of an MLP's write, all of it where there are none."""
        here = self.model.layers[layer]
        mine = [
            each.cut
            for each in self.units
            if isinstance(each.cut, Cut) and layer in each.cut.written
        ]
        if mine and all(cut.exact for cut in mine):
            return
        past = bool(mine) and mine[0].past_norm
        left = here.mlp_added.normed if past else here.write
        for cut in mine:
            left = left - cut.total(layer) - cut.constant(layer)
            if cut.layer == layer and cut.passes():
                left = left - cut.passed()
        self._block(error_name(mlp_name(layer)), "mlp", {layer: left}, past=past, start=self.skip)

    def _block(
        self,
        unit: str,
        sublayer: Sublayer,
        writes: Mapping[int, Stream],
        *,
        past: bool,
        start: int,
    ) -> Block:
        n = self.model.n_positions
        found = Block(unit, sublayer, writes, past, self.n, start, n)
        self.blocks.append(found)
        self.n += max(0, n - start)
        return found

    def meet(
        self, layer: int, sublayer: Sublayer, grad: Grad, into: Float[Tensor, "row column"]
    ) -> None:
        """Weights of edges from what a sublayer adds, under a gradient of the stream after it."""
        here, n = self.model.layers[layer], grad.shape[1]
        raw = (here.mlp_added if sublayer == "mlp" else here.attn_added).back(grad, slice(0, n))
        for each in self.units:
            cut = each.cut
            if cut.sublayer == sublayer and layer in cut.written and len(each.index):
                writes = cut.writes_of(each.index, layer)
                along = grad if cut.past_norm else raw
                for at in range(self.skip, n):
                    part = slice(each.bounds[at], each.bounds[at + 1])
                    if part.stop > part.start:
                        columns = slice(each.first + part.start, each.first + part.stop)
                        into[:, columns] += along[:, at] @ writes[part].T
        self._meet_blocks(layer, sublayer, grad, raw, into)

    def meet_inputs(self, grad: Grad, into: Float[Tensor, "row column"]) -> None:
        """Weights of edges from the embeddings, under a gradient of them."""
        self._meet_blocks(-1, "mlp", grad, grad, into)

    def _meet_blocks(
        self, layer: int, sublayer: Sublayer, grad: Grad, raw: Grad, into: Tensor
    ) -> None:
        n = grad.shape[1]
        for each in self.blocks:
            if layer in each.writes and each.sublayer == sublayer and n > each.start:
                along = (grad if each.past else raw)[:, each.start :]
                found = torch.einsum("rpd,pd->rp", along, each.writes[layer][each.start : n])
                into[:, each.first : each.first + n - each.start] += found
