"""A circuit as motifs see it: nodes with kind, depth and roles, edges with channel and score."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from graph_schema.documents.circuit import CircuitDocument
from graph_schema.documents.component import Channel, Component, ComponentKind
from graph_schema.documents.role import RoleName

Played = RoleName | Iterable[RoleName]
"""The role of a node, or all its roles."""


@dataclass(frozen=True)
class GraphNode:
    """A component of the circuit and every role that it plays.

    `depth` is relative, 0 for the input, 1 for the logits.
    """

    name: str
    kind: ComponentKind
    layer: int | None
    depth: float
    roles: frozenset[RoleName] = frozenset()


@dataclass(frozen=True)
class GraphEdge:
    """A kept edge, by component names.

    The score is as stored, positive where the edge is relied on; 0 where a file gives none.
    """

    sender: str
    receiver: str
    channel: Channel
    score: float


@dataclass(frozen=True)
class CircuitGraph:
    """Nodes in the order of their names, and the edges between them."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        assert names == sorted(set(names)), "nodes come once each, ordered by name"

    @classmethod
    def build(cls, nodes: Iterable[GraphNode], edges: Iterable[GraphEdge]) -> CircuitGraph:
        return cls(tuple(sorted(nodes, key=lambda node: node.name)), tuple(edges))

    @classmethod
    def of(
        cls, circuit: CircuitDocument, roles: Mapping[str, Played] | None = None
    ) -> CircuitGraph:
        """The graph of a circuit's edges; `roles` by component name, one or several."""
        roles = roles or {}
        names = {name for edge in circuit.edges for name in (edge.sender, edge.receiver)}
        nodes: list[GraphNode] = []
        for component in map(Component.parse, names):
            depth = component.depth(circuit.model.n_layers)
            played = roles.get(component.name, ())
            both = frozenset([played] if isinstance(played, RoleName) else played)
            nodes.append(GraphNode(component.name, component.kind, component.layer, depth, both))
        edges = (GraphEdge(e.sender, e.receiver, e.channel, e.score or 0.0) for e in circuit.edges)
        return cls.build(nodes, edges)

    def without(self, kinds: Collection[ComponentKind]) -> CircuitGraph:
        """The graph less the nodes of these kinds and their edges: errors, say.

        The nodes that stay do so without any edge as well.
        """
        if not kinds:
            return self
        kept = {node.name for node in self.nodes if node.kind not in kinds}
        nodes = (node for node in self.nodes if node.name in kept)
        edges = (edge for edge in self.edges if edge.sender in kept and edge.receiver in kept)
        return CircuitGraph.build(nodes, edges)

    @cached_property
    def index(self) -> dict[str, int]:
        """A node's place in `nodes`, by name."""
        return {node.name: place for place, node in enumerate(self.nodes)}

    @cached_property
    def between(self) -> dict[tuple[str, str], tuple[GraphEdge, ...]]:
        """The parallel edges of every pair of nodes that has some."""
        found: dict[tuple[str, str], tuple[GraphEdge, ...]] = {}
        for edge in self.edges:
            ends = (edge.sender, edge.receiver)
            found[ends] = (*found.get(ends, ()), edge)
        return found

    @cached_property
    def below(self) -> dict[str, tuple[GraphNode, ...]]:
        """The nodes that a node sends to, by name."""
        return self._neighbours([(sender, receiver) for sender, receiver in self.between])

    @cached_property
    def above(self) -> dict[str, tuple[GraphNode, ...]]:
        """The nodes that a node reads from, by name."""
        return self._neighbours([(receiver, sender) for sender, receiver in self.between])

    def _neighbours(self, pairs: list[tuple[str, str]]) -> dict[str, tuple[GraphNode, ...]]:
        found: dict[str, list[GraphNode]] = {node.name: [] for node in self.nodes}
        for here, there in pairs:
            found[here].append(self.nodes[self.index[there]])
        return {name: tuple(near) for name, near in found.items()}
