"""Motifs: small patterns of roles, kinds and channels, as data.

What a motif means is fixed by `graph_schema.motifs.matching`; here is how one is written down. A
circuit is a feed-forward graph, so a pattern with a cycle could match nothing and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from graph_schema.documents.base import Document, sha256_hex
from graph_schema.documents.component import Channel, Component, ComponentKind
from graph_schema.documents.role import RoleName
from graph_schema.errors import SpecError

Variable = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
MotifName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
MAX_NODES = 5

_Choice = TypeVar("_Choice", bound=StrEnum)


def _canonical(values: Iterable[_Choice]) -> tuple[_Choice, ...]:
    """Sorted and without repeats, so that equal patterns spell equally."""
    return tuple(sorted(set(values)))


class Sign(StrEnum):
    """The sign of an edge's score; a score of zero has neither."""

    POSITIVE = "+"
    NEGATIVE = "-"

    @property
    def opposite(self) -> Sign:
        return Sign.NEGATIVE if self is Sign.POSITIVE else Sign.POSITIVE


class DepthRelation(StrEnum):
    """How two nodes' relative depths compare; heads and MLP of a layer stand at the same depth."""

    BEFORE = "<"
    NOT_AFTER = "<="
    SAME = "="


class NodePattern(Document):
    """A variable and what may be bound to it: any of the roles, any of the kinds; empty is any."""

    variable: Variable
    roles: tuple[RoleName, ...] = ()
    kinds: tuple[ComponentKind, ...] = ()

    @field_validator("roles")
    @classmethod
    def _sorted_roles(cls, value: tuple[RoleName, ...]) -> tuple[RoleName, ...]:
        return _canonical(value)

    @field_validator("kinds")
    @classmethod
    def _sorted_kinds(cls, value: tuple[ComponentKind, ...]) -> tuple[ComponentKind, ...]:
        return _canonical(value)


class EdgePattern(Document):
    """One edge of any of the channels (empty: any) and, if asked, of this sign, must exist."""

    sender: Variable
    receiver: Variable
    channels: tuple[Channel, ...] = ()
    sign: Sign | None = None

    @field_validator("channels")
    @classmethod
    def _sorted_channels(cls, value: tuple[Channel, ...]) -> tuple[Channel, ...]:
        return _canonical(value)

    @property
    def name(self) -> str:
        """In the arrow notation: `a -q|k-> b`, `a -> b`."""
        channels = "|".join(channel.value for channel in self.channels)
        return f"{self.sender} {f'-{channels}->' if channels else '->'} {self.receiver}"


class DepthOrder(Document):
    """The relative depth of `left` stands in this relation to that of `right`."""

    left: Variable
    relation: DepthRelation
    right: Variable


class SignRule(Document):
    """The product of the signs of these edges, given by their place in `Motif.edges`."""

    edges: tuple[Annotated[int, Field(ge=0)], ...]
    product: Sign


class Motif(Document):
    """A small pattern of roles and channels.

    `induced`: between bound nodes there are no edges but those the pattern names. The `motif_id`
    covers name and pattern, not `description` and `source`.
    """

    schema_version: Literal[1] = 1
    name: MotifName
    description: str = ""
    source: str = ""
    nodes: Annotated[tuple[NodePattern, ...], Field(min_length=2, max_length=MAX_NODES)]
    edges: Annotated[tuple[EdgePattern, ...], Field(min_length=1)]
    depth: tuple[DepthOrder, ...] = ()
    signs: tuple[SignRule, ...] = ()
    induced: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(node.variable for node in self.nodes)

    @property
    def motif_id(self) -> str:
        content = self.model_dump(mode="json", exclude={"description", "source"})
        return sha256_hex(json.dumps(content, sort_keys=True, separators=(",", ":")))

    @property
    def reads_roles(self) -> bool:
        return any(node.roles for node in self.nodes)

    @property
    def reads_signs(self) -> bool:
        return bool(self.signs) or any(edge.sign for edge in self.edges)

    @property
    def untyped(self) -> bool:
        """Bare wiring: no roles, kinds, channels or signs."""
        return (
            not self.reads_roles
            and not self.reads_signs
            and not any(node.kinds for node in self.nodes)
            and not any(edge.channels for edge in self.edges)
        )

    @property
    def depth_orders(self) -> dict[tuple[str, str], DepthRelation]:
        """Everything that follows for the depths of two variables: BEFORE or NOT_AFTER.

        From the depth rules, and from the edges: none leads to an earlier layer.
        """
        return _closure(
            self.variables,
            [
                *((e.sender, DepthRelation.NOT_AFTER, e.receiver) for e in self.edges),
                *((order.left, order.relation, order.right) for order in self.depth),
            ],
        )

    @property
    def output(self) -> str | None:
        """The variable of the output role: that of the first edge to `logits`."""
        logits = {n.variable for n in self.nodes if n.kinds == (ComponentKind.LOGITS,)}
        return next((e.sender for e in self.edges if e.receiver in logits), None)

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Motif:
        variables = self.variables
        if repeated := sorted({name for name in variables if variables.count(name) > 1}):
            raise ValueError(f"variable {repeated[0]!r} is given twice")
        used = [name for edge in self.edges for name in (edge.sender, edge.receiver)]
        used += [name for order in self.depth for name in (order.left, order.right)]
        for name in used:
            if name not in variables:
                known = ", ".join(variables)
                raise ValueError(f"{name!r} is not one of the motif's nodes: {known}")
        self._check_edges()
        self._check_depths()
        for rule in self.signs:
            if any(place >= len(self.edges) for place in rule.edges):
                raise ValueError(f"a sign rule names edge {max(rule.edges)} of {len(self.edges)}")
        ruled = [place for rule in self.signs for place in rule.edges]
        if len(set(ruled)) < len(ruled):
            raise ValueError("an edge takes part in two sign rules, or twice in one")
        if any(not rule.edges for rule in self.signs):
            raise ValueError("a sign rule without edges")
        return self

    def _check_edges(self) -> None:
        """Parallel edges apart in channel, no cycle, one piece."""
        variables = self.variables
        seen: dict[tuple[str, str], set[Channel]] = {}
        for edge in self.edges:
            channels = set(edge.channels or Channel)
            if channels & seen.setdefault((edge.sender, edge.receiver), set()):
                raise ValueError(f"edge {edge.name!r} shares a channel with one given before")
            seen[edge.sender, edge.receiver] |= channels
        try:
            TopologicalSorter(
                {name: {e.sender for e in self.edges if e.receiver == name} for name in variables}
            ).prepare()
        except CycleError as error:
            first = next(name for name in variables if name in error.args[1])
            raise ValueError(
                f"a cycle through {first!r}: circuits run forward, so it matches nothing"
            ) from error
        reached, pending = {variables[0]}, [variables[0]]
        while pending:
            here = pending.pop()
            for edge in self.edges:
                ends = {edge.sender, edge.receiver}
                if here in ends:
                    pending.extend(ends - reached)
                    reached |= ends
        if apart := [name for name in variables if name not in reached]:
            raise ValueError(f"{apart[0]!r} hangs on no edge to the rest; a motif is in one piece")

    def _check_depths(self) -> None:
        """No rule against an edge, no two rules against each other."""
        edges = [(e.sender, DepthRelation.NOT_AFTER, e.receiver) for e in self.edges]
        along = _closure(self.variables, edges)
        for order in self.depth:
            name = f"{order.left} {order.relation.value} {order.right}"
            if order.relation is not DepthRelation.BEFORE:
                continue
            if order.left == order.right:
                raise ValueError(f"depth rule '{name}' puts a node before itself: nothing matches")
            if (order.right, order.left) in along:
                raise ValueError(
                    f"depth rule '{name}' contradicts the edges, which lead from {order.right} to "
                    f"{order.left}: none leads to an earlier layer, so nothing matches"
                )
        for name in self.variables:
            if self.depth_orders.get((name, name)) is DepthRelation.BEFORE:
                rules = ", ".join(f"{o.left} {o.relation.value} {o.right}" for o in self.depth)
                raise ValueError(
                    f"depth rules and edges contradict each other: {rules} put {name!r} before "
                    "itself, so nothing matches"
                )


def _closure(
    variables: tuple[str, ...], orders: Iterable[tuple[str, DepthRelation, str]]
) -> dict[tuple[str, str], DepthRelation]:
    """The orders and all that follow from them; `=` is `<=` both ways."""
    before, not_after = DepthRelation.BEFORE, DepthRelation.NOT_AFTER
    known = {(name, name): not_after for name in variables}

    def learn(left: str, right: str, relation: DepthRelation) -> None:
        if known.get((left, right)) is not before:
            known[left, right] = relation

    for left, relation, right in orders:
        learn(left, right, before if relation is before else not_after)
        if relation is DepthRelation.SAME:
            learn(right, left, not_after)
    for middle, left, right in product(variables, repeat=3):
        if (left, middle) in known and (middle, right) in known:
            strict = before in (known[left, middle], known[middle, right])
            learn(left, right, before if strict else not_after)
    return known


class Occurrence(Document):
    """A place in one circuit where a motif matches: which component each variable is bound to."""

    motif_id: str
    circuit_id: str
    binds: dict[Variable, str]

    @field_validator("binds")
    @classmethod
    def _to_components(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            try:
                Component.parse(name)
            except SpecError as error:
                raise ValueError(str(error)) from error
        return value

    @property
    def occurrence_id(self) -> str:
        return self.content_id()
