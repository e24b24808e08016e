"""A node of a graph by its name: what it writes where, and what reads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.tracing.cut import Cut
from discovery.tracing.heads import Heads
from discovery.tracing.sources import Units
from discovery.tracing.tracing import Traced
from graph_schema.documents import Component, ComponentKind
from graph_schema.documents.component import INPUTS, UNNAMED


@dataclass(frozen=True)
class Written:
    """What one node writes, by layer and sublayer; embeddings at layer -1.

    `past` says that it is past the norm after the sublayer.
    """

    position: int
    writes: dict[tuple[int, str], Float[Tensor, " d_model"]]
    past: bool

    @property
    def first(self) -> int:
        """The first layer that it is written at."""
        return min(layer for layer, _ in self.writes)


@dataclass(frozen=True)
class Reader:
    """A node that reads: a unit or head of `cut`, or, where there is none, the logit `unit`."""

    cut: Cut | Heads | None
    layer: int
    position: int
    unit: int
    value: float
    written: Written | None


def written_of(traced: Traced, name: str) -> Written:
    """What a node writes."""
    part = Component.parse(name)
    position = part.position or 0
    if part.kind in INPUTS:
        return Written(position, {(-1, "mlp"): traced.model.inputs[part.unit][position]}, True)
    if part.kind not in UNNAMED:
        units, index = _place(traced, part)
        return _of_units(units, index, position)
    block = next(each for each in traced.sources.blocks if each.unit == part.unit)
    writes = {(layer, block.sublayer): write[position] for layer, write in block.writes.items()}
    if part.kind is ComponentKind.REST:
        number = next(i for i, each in enumerate(traced.sources.rests) if each is block)
        units = traced.sources.units[number]
        left = torch.tensor(
            [
                i
                for i in range(*units.bounds[position : position + 2])
                if units.first + i not in traced.chosen
            ],
            dtype=torch.long,
        )
        if len(left):
            for layer in units.cut.written:
                more = units.cut.writes_of(units.index[left], layer).sum(0)
                writes[layer, block.sublayer] = writes[layer, block.sublayer] + more
    return Written(position, writes, block.past)


def reader_of(traced: Traced, name: str) -> Reader:
    """A node as what reads."""
    part = Component.parse(name)
    position = part.position or 0
    if part.kind is ComponentKind.LOGITS:
        number = traced.logits.token.tolist().index(part.index)
        value = float(traced.logits.value[number])
        return Reader(None, len(traced.model.layers), position, number, value, None)
    units, index = _place(traced, part)
    cut, at = units.cut, int(index)
    written = _of_units(units, index, position)
    value = float(cut.active.value[at])
    return Reader(cut, cut.layer, position, int(cut.active.unit[at]), value, written)


def _of_units(units: Units, index: Tensor, position: int) -> Written:
    cut = units.cut
    writes = {(layer, cut.sublayer): cut.writes_of(index[None], layer)[0] for layer in cut.written}
    return Written(position, writes, cut.past_norm)


def _place(traced: Traced, part: Component) -> tuple[Units, Tensor]:
    """The units that a node is of, and its number among the active ones."""
    head = part.kind is ComponentKind.HEAD
    unit = part.head if head else part.index
    for units in traced.sources.units:
        if units.cut.layer == part.layer and isinstance(units.cut, Heads) == head:
            active = units.cut.active
            found = (active.position == part.position) & (active.unit == unit)
            if bool(found.any()):
                return units, found.nonzero()[0, 0]
    raise KeyError(part.name)
