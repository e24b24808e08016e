"""What of a circuit is shown, as its address says it: how many edges, a node, pins and groups.

    ?edges=40&node=a1.h2&pin=a0.h1&pin=m3&group=a2.h1,a2.h5+Name+movers

A group is its members, a space, and its name. `?members=…&called=…` makes one more, and leads to
the address that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import QueryParams

from graph_schema.documents import Annotation
from graph_schema.reports.arranged_circuit import (
    MOST_PINS,
    Group,
    check_node,
    pinned,
    supernode,
    with_group,
    with_stored,
)
from graph_schema.reports.drawn_circuit import DrawnCircuit
from workers.web.pages import address


@dataclass(frozen=True)
class View:
    """What is shown of one circuit.

    Attributes:
        n_edges: How many the circuit has.
        kept: How many of the strongest are shown.
        node: The chosen node, or `supernode` of a group; None is none.
    """

    own: str
    n_edges: int
    kept: int
    node: str | None = None
    pins: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()

    @classmethod
    def of(cls, own: str, given: QueryParams, drawn: DrawnCircuit) -> View:
        """What an address asks for.

        Args:
            own: The circuit's path.
            given: The address's query.
            drawn: The circuit.

        Raises:
            NotFoundError: The circuit has no such node.
            SpecError: A group is none, too many are asked for, or one node is in two.
        """
        n_edges = len(drawn.edges)
        found = cls(own, n_edges, _kept(given.get("edges", ""), n_edges))
        for text in given.getlist("group"):
            members, _, name = text.partition(" ")
            found = found.with_group(members.split(","), name, drawn)
        if "called" in given:
            found = found.with_group(given.getlist("members"), given["called"], drawn)
        pins = pinned(given.getlist("pin"), found.groups, drawn)
        node = given.get("node") or None
        if node is not None and found.group_of(node) is None:
            check_node(node, drawn)
        return replace(found, pins=pins, node=node)

    def with_group(self, members: Sequence[str], name: str, drawn: DrawnCircuit) -> View:
        """The same with one more group."""
        return replace(self, groups=with_group(self.groups, members, name, drawn))

    def with_stored(self, remarks: Sequence[Annotation], drawn: DrawnCircuit) -> View:
        """The same with the groups that are stored with the circuit, as far as they fit."""
        return replace(self, groups=with_stored(self.groups, remarks, drawn.number))

    def group_of(self, node: str | None) -> Group | None:
        """The group that goes by this name in the address."""
        names = [supernode(place) for place in range(len(self.groups))]
        return self.groups[names.index(node)] if node in names else None

    @property
    def fields(self) -> dict[str, Any]:
        """All but the chosen node, as an address has it."""
        return {
            "edges": self.kept if self.kept < self.n_edges else None,
            "pin": list(self.pins),
            "group": [f"{','.join(group.members)} {group.name}" for group in self.groups],
        }

    @property
    def here(self) -> str:
        """The address of the page."""
        return address(self.own, self.fields, node=self.node)

    def pinned(self, name: str) -> str:
        """The address with a node pinned, or no more where it was."""
        pins = [each for each in self.pins if each != name]
        pins += [] if name in self.pins else [name]
        return address(self.own, self.fields, pin=pins, node=self.node)

    def ungrouped(self, group: Group) -> str:
        """The address without a group; its members are pinned in its place."""
        left = replace(
            self,
            groups=tuple(each for each in self.groups if each != group),
            pins=tuple(dict.fromkeys((*self.pins, *group.members)))[:MOST_PINS],
        )
        node = None if self.group_of(self.node) else self.node
        return address(self.own, left.fields, node=node)


def _kept(text: str, n_edges: int) -> int:
    """How many edges are drawn: as asked for, at most all."""
    if not text.isdecimal() or len(text) > 9:
        return n_edges
    return max(1, min(int(text), n_edges)) if n_edges else 0
