"""Who plays which role in one model, as numbers of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from discovery.engine.graph import Graph
from graph_schema.documents import Channel
from graph_schema.documents.role import RolePlace


@dataclass(frozen=True)
class Cast:
    """A model's graph, and the members of each role that a motif names.

    `taken` are components that play any role at all: none of them is a control or a mediator.
    """

    graph: Graph
    members: Mapping[RolePlace, tuple[str, ...]]
    taken: frozenset[str] = frozenset()

    def names(self, place: RolePlace) -> tuple[str, ...]:
        """The components of a place; of a role that nobody plays, all of its kind: heads."""
        if place == "input":
            return self.graph.sender_names[: self.graph.n_inputs]
        if place == "logits":
            return ("logits",)
        return self.members.get(place, ()) or self.heads()

    def is_played(self, place: RolePlace) -> bool:
        return place in ("input", "logits") or bool(self.members.get(place))

    def senders(self, place: RolePlace) -> tuple[int, ...]:
        return tuple(self.graph.senders_of(self.names(place)))

    def inputs(self, place: RolePlace, channels: Sequence[Channel]) -> tuple[int, ...]:
        return tuple(self.graph.inputs_of(self.names(place), channels))

    def heads(self) -> tuple[str, ...]:
        """Every head of the model."""
        layers = range(self.graph.n_layers)
        return tuple(name for layer in layers for name in self.heads_of(layer))

    def heads_of(self, layer: int) -> tuple[str, ...]:
        return self.graph.sender_names[self.graph.head_senders(layer)]

    def is_free(self, name: str) -> bool:
        """Whether a component plays no role, here or elsewhere."""
        return name not in self.taken and all(name not in each for each in self.members.values())
