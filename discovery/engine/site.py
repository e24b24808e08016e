"""A site is a component: the heads that it runs, and the senders that it writes as.

A head or an MLP is one sender. One that has a dictionary is *split* into parts: a sender for each
of the dictionary's units that is a candidate, `rest` for what its other units and its bias write,
and `error` for what the dictionary misses. Each part reads for itself, on the channels that the
whole component has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """A component in parts.

    Attributes:
        component: `m3`, `a1.h0`, `a3` (a layer's heads together) or an input.
        units: Numbers of the dictionary's units that are candidates.
        letter: What a unit is called by: `f`, a feature, or `n`, a neuron.
        error: Whether the dictionary misses anything: a basis does not.
    """

    component: str
    units: tuple[int, ...]
    letter: Literal["f", "n"] = "f"
    error: bool = True

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: units, `rest`, and `error` where there is one."""
        units = [f"{self.component}.{self.letter}{unit}" for unit in self.units]
        dense = ["rest", "error"] if self.error else ["rest"]
        return (*units, *(f"{self.component}.{name}" for name in dense))


@dataclass(frozen=True)
class Site:
    """A component.

    Attributes:
        layer: -1 for an input.
        heads: The heads that it runs; none for an MLP or an input.
        senders: What it writes as.
    """

    name: str
    layer: int
    heads: tuple[int, ...]
    senders: range
    split: Split | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of its parts."""
        return (self.name,) if self.split is None else self.split.parts

    @property
    def n_units(self) -> int:
        """How many of its parts, the first, are units of a dictionary."""
        return 0 if self.split is None else len(self.split.units)


@dataclass(frozen=True)
class LayerSites:
    """A layer's sites.

    Its attention's parts are numbered in order. An *entry* is one part's run of one head: a part of
    a split head has one entry, one of a layer's heads together has an entry for each of them.
    """

    attention: tuple[Site, ...]
    mlp: Site
    first_receiver: int

    @property
    def before(self) -> int:
        return self.attention[0].senders.start

    @cached_property
    def n_parts(self) -> int:
        """Of the attention."""
        return self.mlp.senders.start - self.before

    @cached_property
    def part_sites(self) -> tuple[Site, ...]:
        """The site of each of the attention's parts."""
        return tuple(site for site in self.attention for _ in site.senders)

    @cached_property
    def part_numbers(self) -> NDArray[np.intp]:
        """The number, within the layer, of the site of each of the attention's parts."""
        sizes = [len(site.senders) for site in self.attention]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def entry_heads(self) -> tuple[int, ...]:
        """The head of each entry."""
        return tuple(head for site in self.part_sites for head in site.heads)

    @cached_property
    def part_entries(self) -> tuple[range, ...]:
        """The entries of each of the attention's parts."""
        ends = np.cumsum([len(site.heads) for site in self.part_sites]).tolist()
        return tuple(map(range, [0, *ends], ends))

    @cached_property
    def is_whole(self) -> bool:
        """Whether no head is split: a part is a head, and an entry too."""
        return all(site.split is None for site in self.attention)
