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
from functools import cached_property

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from discovery.dictionaries.protocol import Dictionary
from discovery.dictionaries.streams import stream_directions
from discovery.engine.graph import Graph
from discovery.engine.site import Site, Split
from discovery.engine.writes import Writes
from discovery.models import ModelAdapter, Sublayer
from graph_schema.documents.dictionary import DictionaryKind, Place
from graph_schema.errors import SpecError

EXACT = (DictionaryKind.NEURONS, DictionaryKind.BASIS)
"""Dictionaries that miss nothing."""
PAST_NORM = (Place.MLP_ADDED, Place.ATTN_ADDED)


@dataclass(frozen=True)
class Splice:
    """A dictionary on a component, and those of its units that are candidates.

    Raises:
        SpecError: It splits no component's write, or those of several layers.
    """

    dictionary: Dictionary
    units: tuple[int, ...]

    def __post_init__(self) -> None:
        document = self.dictionary.document
        if document.site.component is None:
            raise SpecError(
                f"{document.words} lies on the residual stream: spliced in, it would cut the edges "
                "that pass by; it can label what others find"
            )
        if len(document.site.written) > 1:
            raise SpecError(
                f"{document.words} writes to {len(document.site.written)} layers; an engine's site "
                "writes to one"
            )

    @property
    def split(self) -> Split:
        document = self.dictionary.document
        assert document.site.component is not None, "checked above"
        letter = "n" if document.kind is DictionaryKind.NEURONS else "f"
        error = document.kind not in EXACT
        return Split(document.site.component, self.units, letter, error)


@dataclass(frozen=True)
class Source:
    """What the parts of a component are made from, column by column.

    `encoded` is what the dictionary encodes. `write` is the component's own, raw or, where the
    dictionary lies past the norm after the sublayer, past it; left out where no part needs it.
    """

    encoded: Float[Tensor, "column batch place d_in"]
    write: Float[Tensor, "column batch place d_model"] | None


class Basis:
    """The dictionaries of a graph's split sites, and the directions of all of its units."""

    def __init__(self, adapter: ModelAdapter, graph: Graph, splices: Sequence[Splice]) -> None:
        """Each split of the graph has its splice.

        Raises:
            SpecError: A unit that a dictionary has not, or a place that the model has not.
        """
        self.adapter, self.graph = adapter, graph
        self._dictionaries = {splice.split.component: splice.dictionary for splice in splices}
        for site in graph.sites:
            if site.split is None:
                continue
            document, units = self.dictionary(site).document, site.split.units
            if units and max(units) >= document.width:
                raise SpecError(
                    f"{site.split.parts[units.index(max(units))]} is no unit of {document.words}"
                )
            norm = adapter.closed_form(site.layer, "mlp") if site.layer >= 0 else None
            if document.site.reads is Place.MLP_UNIT and norm is None:
                raise SpecError(
                    f"{document.words} reads the normed input before the norm's scale, and this "
                    "model has no such norm there"
                )

    @cached_property
    def directions(self) -> Float[Tensor, "unit d_model"]:
        """What each directed sender writes along, by its row."""
        graph, adapter = self.graph, self.adapter
        shape = (graph.n_directed, adapter.shape.d_model)
        found = torch.zeros(shape, dtype=adapter.dtype, device=adapter.device)
        for site in graph.sites:
            if site.split is not None:
                dictionary, units = (
                    self.dictionary(site),
                    torch.tensor(site.split.units, dtype=torch.long),
                )
                rows = stream_directions(dictionary, adapter, units.to(adapter.device))
                found[graph.blocks(site.senders)[1]] = rows.to(found.dtype)
        return found

    def total(self, senders: range, writes: Writes) -> Float[Tensor, "batch pos d_model"]:
        """What senders that follow each other write together, of the writes of all."""
        dense, directed = self.graph.blocks(senders)
        total = writes.dense[dense].sum(0)
        if directed.stop > directed.start:
            found = writes.units[directed].movedim(0, -1)
            total = total + found @ self.directions[directed].to(found.dtype)
        return total

    def dictionary(self, site: Site) -> Dictionary:
        return self._dictionaries[site.name]

    def past_norm(self, layer: int, sublayer: Sublayer) -> bool:
        """Whether what a sublayer's parts write is past the norm after it already."""
        if not self._dictionaries:
            return False
        sites = self.graph.layers[layer]
        site = sites.mlp if sublayer == "mlp" else sites.attention[0]
        return site.split is not None and self._place(site) in PAST_NORM

    def _place(self, site: Site) -> Place:
        return self.dictionary(site).document.site.writes

    def of_mlp(
        self,
        site: Site,
        x: Float[Tensor, "column batch place d_model"],
        normed: Float[Tensor, "column batch place d_model"],
        parts: Sequence[int],
        raw: Float[Tensor, "column batch place d_model"] | None = None,
    ) -> Source:
        """The source of some parts of an MLP that reads `x`; `raw` is its write where known."""
        adapter, layer, reads = self.adapter, site.layer, self.dictionary(site).document.site.reads
        write = None
        if self._needs_write(site, parts):
            if raw is None:
                raw = adapter.mlp(layer, normed.flatten(0, 1)).view(normed.shape)
            write = raw
            if self.past_norm(layer, "mlp"):
                write = adapter.post_norm(layer, "mlp", write)
        match reads:
            case Place.MLP_IN:
                encoded = normed
            case Place.MLP_UNIT:
                form = adapter.closed_form(layer, "mlp")
                assert form is not None, "checked at the start"
                encoded = form.at(x.flatten(0, 1)).unit.view(x.shape)
            case Place.NEURONS:
                encoded = adapter.mlp_weights(layer).neurons(normed)
            case Place.RESID_MID:
                encoded = x
            case _:
                assert write is not None
                encoded = write
        return Source(encoded, write)

    def of_heads(
        self, site: Site, z: Float[Tensor, "batch head pos d_head"], parts: Sequence[int]
    ) -> Source:
        """The source of some parts of a head, or of a layer's heads together, that mix `z`."""
        adapter, layer, reads = self.adapter, site.layer, self.dictionary(site).document.site.reads
        write = None
        if self._needs_write(site, parts):
            write = adapter.head_out(layer, z, site.heads).sum(1)
            if self.past_norm(layer, "attn"):
                const = adapter.attn_const(layer)
                write = adapter.post_norm(layer, "attn", write if const is None else write + const)
        if reads is Place.ATTN_Z:
            encoded = rearrange(z, "batch head pos d_head -> batch pos (head d_head)")
        else:
            assert write is not None
            encoded = write if (const := self._const(site)) is None else write + const
        return Source(encoded[None], None if write is None else write[None])

    def of_input(self, write: Float[Tensor, "batch pos d_model"]) -> Source:
        return Source(write[None], write[None])

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

    def _needs_write(self, site: Site, parts: Sequence[int]) -> bool:
        """Whether these parts take the component's own write to be made."""
        reads = self.dictionary(site).document.site.reads
        before = (Place.MLP_IN, Place.MLP_UNIT, Place.NEURONS, Place.RESID_MID, Place.ATTN_Z)
        return reads not in before or any(part >= site.n_units for part in parts)

    def part_writes(
        self, site: Site, parts: Sequence[int], slots: Sequence[int], source: Source
    ) -> tuple[Float[Tensor, "unit batch place"], Float[Tensor, "row batch place d_model"]]:
        """Coefficients of those parts that are units, and writes of the others, in their order.

        `slots` says which of the source's columns each part reads.
        """
        assert site.split is not None
        dense = [part for part in parts if part >= site.n_units]
        # Which units' coefficients are made: all where what is missed, or left, is of all.
        every = bool(dense) and site.split.error
        made = list(range(site.n_units)) if dense else [p for p in parts if p < site.n_units]
        numbers = [site.split.units[part] for part in made]
        units = torch.tensor(numbers, dtype=torch.long, device=self.adapter.device)
        acts = self.dictionary(site).encode(source.encoded, None if every else units)
        index = {
            part: int(unit) if every else i
            for i, (part, unit) in enumerate(zip(made, units.tolist(), strict=True))
        }
        mine = [
            (slot, index[part])
            for part, slot in zip(parts, slots, strict=True)
            if part < site.n_units
        ]
        coefficients = acts[[slot for slot, _ in mine], ..., [place for _, place in mine]]
        places = [index[part] for part in made]
        writes = [
            self._dense(site, part, acts[slot], places, source, slot)
            for part, slot in zip(parts, slots, strict=True)
            if part >= site.n_units
        ]
        if not writes:
            sizes = (0, *source.encoded.shape[1:3], self.adapter.shape.d_model)
            return coefficients, acts.new_empty(sizes)
        return coefficients, torch.stack(writes)

    def _dense(
        self,
        site: Site,
        part: int,
        acts: Float[Tensor, "batch place unit"],
        places: Sequence[int],
        source: Source,
        slot: int,
    ) -> Float[Tensor, "batch place d_model"]:
        """What `rest` or `error` writes; the candidates' coefficients are at `places`."""
        assert site.split is not None
        assert source.write is not None, "what is missed of a write takes the write"
        write, directions = source.write[slot], self.directions[self.graph.blocks(site.senders)[1]]
        candidates = acts[..., list(places)] @ directions.to(acts.dtype)
        if not site.split.error:
            return write - candidates
        found = self._to_stream(site, self.dictionary(site).decode(acts, source.encoded[slot]))
        return write - found if part > site.n_units else found - candidates

    def _to_stream(
        self, site: Site, written: Float[Tensor, "batch place d_out"]
    ) -> Float[Tensor, "batch place d_model"]:
        """What the component would write if its dictionary had all of it."""
        adapter = self.adapter
        match self._place(site):
            case Place.NEURONS:
                return adapter.mlp_weights(site.layer).write(written)
            case Place.ATTN_Z:
                z = rearrange(
                    written,
                    "batch place (head d_head) -> batch head place d_head",
                    head=len(site.heads),
                )
                return adapter.head_out(site.layer, z, site.heads).sum(1)
            case _:
                return written if (const := self._const(site)) is None else written - const

    def _const(self, site: Site) -> Float[Tensor, " d_model"] | None:
        """The output projection's bias, which a dictionary of attention's output was made with."""
        return self.adapter.attn_const(site.layer) if self._place(site) is Place.ATTN_OUT else None
