"""Dictionaries spliced into a model: a component's write as a sum of parts, the output unchanged.

    out = sum over candidates of a_i d_i  +  rest  +  error

A unit's coefficient a_i is the dictionary's, d_i its direction. `rest` is what the units that are
no candidates write and what the dictionary writes beside its units (its bias); `error` is what it
misses. Whatever it misses, the three are the component's own output. Each part is a sender, and a
receiver that reads for itself: a unit that reads something else has the coefficient that it would
have if the whole component read that.

The bias of an output projection belongs to no sender. A dictionary of a layer's attention output
was made with it, so it is added before encoding and taken out of `rest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.graph import Graph
from discovery.engine.sites import Site, Split
from discovery.models import ModelAdapter
from graph_schema.errors import SpecError


class Encodes(StrEnum):
    """What a dictionary's encoder takes."""

    READ = "read"
    """What an MLP reads, normed: neurons and transcoders."""
    MIXED = "mixed"
    """What a head mixes, before its output projection (`hook_z`)."""
    WRITE = "write"
    """What the component writes, raw."""


@runtime_checkable
class Dictionary(Protocol):
    """Units of one component: coefficients, and the directions they write along."""

    @property
    def encodes(self) -> Encodes: ...

    @property
    def n_units(self) -> int: ...

    def encode(self, x: Float[Tensor, "*rows d_in"]) -> Float[Tensor, "*rows unit"]:
        """Every unit's coefficient."""
        ...

    def directions(self, units: Sequence[int]) -> Float[Tensor, "unit d_model"]:
        """What units write where their coefficient is 1."""
        ...

    def decode(
        self, coefficients: Float[Tensor, "*rows unit"], x: Float[Tensor, "*rows d_in"]
    ) -> Float[Tensor, "*rows d_model"]:
        """All that the dictionary writes: units, its bias, what it adds of `x` itself."""
        ...


@dataclass(frozen=True)
class Splice:
    """A split of a component, and the dictionary that cuts it."""

    split: Split
    dictionary: Dictionary


@dataclass(frozen=True)
class Source:
    """What the parts of a component are made from: column by column, what it read and wrote.

    `encoded` is what the dictionary's encoder takes. `write` may be left out where no part is dense
    and the encoder does not ask for it.
    """

    encoded: Float[Tensor, "column batch place d_in"]
    write: Float[Tensor, "column batch place d_model"] | None


class Basis:
    """The dictionaries of a graph's split sites, and the directions of all of its units."""

    def __init__(self, adapter: ModelAdapter, graph: Graph, splices: Sequence[Splice]) -> None:
        """Each split of the graph has its splice.

        Raises:
            SpecError: A unit that a dictionary has not, or a dictionary that cannot sit there.
        """
        self.adapter, self.graph = adapter, graph
        self._dictionaries = {splice.split.component: splice.dictionary for splice in splices}
        for site in graph.sites:
            if site.split is None:
                continue
            dictionary, units = self.dictionary(site), site.split.units
            if units and max(units) >= dictionary.n_units:
                raise SpecError(
                    f"{site.split.parts[units.index(max(units))]} is no unit of the dictionary on "
                    f"{site.name}, which has {dictionary.n_units}"
                )
            _check_place(site, dictionary)

    @cached_property
    def directions(self) -> Float[Tensor, "unit d_model"]:
        """What each directed sender writes along, by its row."""
        graph, adapter = self.graph, self.adapter
        shape = (graph.n_directed, adapter.shape.d_model)
        found = torch.zeros(shape, dtype=adapter.dtype, device=adapter.device)
        for site in graph.sites:
            if site.split is not None:
                found[graph.blocks(site.senders)[1]] = self.dictionary(site).directions(
                    site.split.units
                )
        return found

    def dictionary(self, site: Site) -> Dictionary:
        return self._dictionaries[site.name]

    def source(
        self,
        site: Site,
        write: Float[Tensor, "column batch place d_model"] | None,
        read: Float[Tensor, "column batch place d_model"] | None = None,
        mixed: Float[Tensor, "column batch place d_head"] | None = None,
    ) -> Source:
        """A component's parts' source, from its raw write, normed read and mixed values."""
        match self.dictionary(site).encodes:
            case Encodes.READ:
                encoded = read
            case Encodes.MIXED:
                encoded = mixed
            case Encodes.WRITE:
                encoded = write
                if (const := self._const(site)) is not None and write is not None:
                    encoded = write + const
        assert encoded is not None, f"{site.name}: what its dictionary encodes is not at hand"
        return Source(encoded, write)

    def put(
        self,
        site: Site,
        source: Source,
        writes: Float[Tensor, "sender batch pos d_model"],
        units: Float[Tensor, "unit batch pos"],
    ) -> None:
        """Write what all of a component's parts write, from one column, over their rows."""
        parts = range(len(site.senders))
        rows = self.graph.blocks(site.senders)
        coefficients, dense = self.part_writes(site, parts, [0] * len(parts), source)
        writes[rows[0]], units[rows[1]] = dense, coefficients

    def needs_write(self, site: Site, parts: Sequence[int]) -> bool:
        """Whether these parts take the component's own write to be made."""
        dense = any(part >= site.n_units for part in parts)
        return dense or self.dictionary(site).encodes is Encodes.WRITE

    def part_writes(
        self, site: Site, parts: Sequence[int], slots: Sequence[int], source: Source
    ) -> tuple[Float[Tensor, "unit batch place"], Float[Tensor, "row batch place d_model"]]:
        """Coefficients of those parts that are units, and writes of the others, in their order.

        `slots` says which of the source's columns each part reads.
        """
        assert site.split is not None
        dictionary = self.dictionary(site)
        acts = dictionary.encode(source.encoded)
        units = [
            (part, slot) for part, slot in zip(parts, slots, strict=True) if part < site.n_units
        ]
        numbers = [site.split.units[part] for part, _ in units]
        coefficients = acts[[slot for _, slot in units], ..., numbers]
        dense = [
            self._dense(site, part, acts[slot], source, slot)
            for part, slot in zip(parts, slots, strict=True)
            if part >= site.n_units
        ]
        if not dense:
            return coefficients, acts.new_empty((0, *source.encoded.shape[1:3], self._d_model))
        return coefficients, torch.stack(dense)

    def _dense(
        self,
        site: Site,
        part: int,
        acts: Float[Tensor, "batch place unit"],
        source: Source,
        slot: int,
    ) -> Float[Tensor, "batch place d_model"]:
        assert site.split is not None
        assert source.write is not None, "what is missed of a write takes the write"
        write, const = source.write[slot], self._const(site)
        if not site.split.error:
            return write - self._candidates(site, acts)
        written = self.dictionary(site).decode(acts, source.encoded[slot])
        if const is not None:
            written = written - const
        return write - written if part > site.n_units else written - self._candidates(site, acts)

    def _candidates(
        self, site: Site, acts: Float[Tensor, "batch place unit"]
    ) -> Float[Tensor, "batch place d_model"]:
        """What the candidates write together."""
        assert site.split is not None
        rows = self.graph.blocks(site.senders)[1]
        return acts[..., list(site.split.units)] @ self.directions[rows]

    def _const(self, site: Site) -> Float[Tensor, " d_model"] | None:
        """The output projection's bias, where the dictionary's output has it."""
        together = site.name == f"a{site.layer}"
        return self.adapter.attn_const(site.layer) if together else None

    @property
    def _d_model(self) -> int:
        return self.adapter.shape.d_model


def _check_place(site: Site, dictionary: Dictionary) -> None:
    encodes = dictionary.encodes
    if (encodes is Encodes.READ and (site.heads or site.layer < 0)) or (
        encodes is Encodes.MIXED and len(site.heads) != 1
    ):
        raise SpecError(
            f"a dictionary that encodes {encodes.value!r} cannot sit on {site.name}; expected an "
            "MLP for 'read' and one head for 'mixed'"
        )
