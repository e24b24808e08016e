"""What the data model says of a label and of a relationship type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NodeKind:
    """A label: what its nodes are, their properties (the id first), a query that shows some."""

    label: str
    about: str
    properties: dict[str, str]
    example: str

    @property
    def key(self) -> str:
        """The property that tells its nodes apart."""
        return next(iter(self.properties))


@dataclass(frozen=True)
class RelationshipKind:
    """A type: what it says, from which label to which, its properties, a query that shows some.

    `also` are further labels that it comes from, `also_to` that it goes to.
    """

    type: str
    sender: str
    receiver: str
    about: str
    properties: dict[str, str]
    example: str
    also: tuple[str, ...] = ()
    also_to: tuple[str, ...] = ()

    @property
    def senders(self) -> tuple[str, ...]:
        return (self.sender, *self.also)

    @property
    def receivers(self) -> tuple[str, ...]:
        return (self.receiver, *self.also_to)


INTERVAL = {
    "ci_low": "lower end of its 95 % interval",
    "ci_high": "upper end of its 95 % interval",
}
"""The bounds of a measured value: properties that several kinds have."""
