"""Motifs: small patterns of roles, kinds and channels, as data.

What a motif means is fixed by `graph_schema.motifs.matching`; here is how one is written down. A
circuit is a feed-forward graph, so a pattern with a cycle could match nothing and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
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
        seen: dict[tuple[str, str], set[Channel]] = {}
        for edge in self.edges:
            channels = set(edge.channels or Channel)
            if channels & seen.setdefault((edge.sender, edge.receiver), set()):
                raise ValueError(f"edge {edge.name!r} shares a channel with one given before")
            seen[edge.sender, edge.receiver] |= channels
        below = {
            name: {e.receiver for e in self.edges if e.sender == name} for name in self.variables
        }
        for _ in self.variables:
            below = {
                name: near.union(*(below[other] for other in near)) for name, near in below.items()
            }
        if cyclic := [name for name in self.variables if name in below[name]]:
            raise ValueError(
                f"a cycle through {cyclic[0]!r}: circuits run forward, so it matches nothing"
            )
        reached, pending = {self.variables[0]}, [self.variables[0]]
        while pending:
            here = pending.pop()
            for edge in self.edges:
                ends = {edge.sender, edge.receiver}
                if here in ends:
                    pending.extend(ends - reached)
                    reached |= ends
        if apart := [name for name in self.variables if name not in reached]:
            raise ValueError(f"{apart[0]!r} hangs on no edge to the rest; a motif is in one piece")


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


class MotifState(StrEnum):
    """What a test of a motif in a circuit came to."""

    CALLED = "called"
    NOT_CALLED = "not_called"
    UNTESTABLE = "untestable"


class NullModel(StrEnum):
    """What the number of occurrences is held against (DESIGN §9)."""

    REWIRED = "rewired"
    ROLES_PERMUTED = "roles_permuted"


class MotifTest(Document):
    """Whether a motif occurs in a circuit more often than chance has it.

    `p` = (1 + #{null >= observed}) / (draws + 1), one-sided; where the whole null was enumerated
    (`exact`), the share of its members that reach the observed count. `p_max` is adjusted for all
    motifs tested in the circuit (maxT), `q` for all circuits and motifs tested together; a motif is
    called where both are small.
    """

    circuit_id: str
    motif_id: str
    motif: MotifName
    null: NullModel
    observed: int
    null_mean: float
    null_sd: float
    draws: int
    distinct: int
    exact: bool
    p: float
    p_max: float
    q: float | None = None
    state: MotifState
    reason: str = ""
