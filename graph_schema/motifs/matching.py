"""The reference matcher: what it means that a motif occurs.

A *binding* gives every variable a node of one circuit such that

- no node is bound twice;
- every node plays one of its variable's roles and is of one of its kinds, where any are named;
- every edge of the pattern finds at least one edge from its sender's to its receiver's node, on one
  of its channels and of its sign where these are named; further edges do no harm, unless the motif
  is `induced`: then two bound nodes that the pattern leaves apart are apart;
- where a sign rule asks for a product of signs, some choice of those edges has it;
- relative depths stand as asked.

Bindings that a symmetry of the pattern maps onto each other are one *occurrence*, written with the
binding that `name_orders` picks. Everything else that matches motifs (Cypher, the counting under
null models) is held to this by tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

from graph_schema.documents.motif import (
    DepthRelation,
    EdgePattern,
    Motif,
    NodePattern,
    Occurrence,
    Sign,
    SignRule,
)
from graph_schema.motifs.graph import CircuitGraph, GraphEdge, GraphNode
from graph_schema.motifs.symmetry import name_orders

Binding = dict[str, GraphNode]


def bindings(graph: CircuitGraph, motif: Motif) -> list[dict[str, str]]:
    """The occurrences of `motif` in one circuit, as node names by variable, in a fixed order."""
    found = (
        {variable: bound[variable].name for variable in motif.variables}
        for bound in _Search(graph, motif).extend({})
    )
    return sorted(found, key=lambda bound: tuple(bound.values()))


def occurrences(graph: CircuitGraph, motif: Motif, circuit_id: str) -> list[Occurrence]:
    """The same as documents."""
    return [
        Occurrence(motif_id=motif.motif_id, circuit_id=circuit_id, binds=bound)
        for bound in bindings(graph, motif)
    ]


def binding_order(motif: Motif) -> tuple[str, ...]:
    """The variables, each (but the first) joined by an edge to one before it."""
    order = [motif.variables[0]]
    while len(order) < len(motif.nodes):
        joined = {
            name
            for edge in motif.edges
            for name in (edge.sender, edge.receiver)
            if {edge.sender, edge.receiver} & set(order)
        }
        order.append(next(n for n in motif.variables if n in joined and n not in order))
    return tuple(order)


def sign_of(score: float) -> Sign | None:
    """Positive, negative, or None for zero."""
    if score == 0:
        return None
    return Sign.POSITIVE if score > 0 else Sign.NEGATIVE


class _Search:
    """Plain backtracking: bind one variable after the other, check what each one decides."""

    def __init__(self, graph: CircuitGraph, motif: Motif) -> None:
        self.graph = graph
        self.motif = motif
        self.order = binding_order(motif)
        self.patterns = {node.variable: node for node in motif.nodes}
        self.name_orders = name_orders(motif)
        joined = {(edge.sender, edge.receiver) for edge in motif.edges}
        pairs = permutations(motif.variables, 2) if motif.induced else ()
        self.apart = [ends for ends in pairs if ends not in joined]

    def extend(self, bound: Binding) -> Iterator[Binding]:
        """All ways to bind the remaining variables."""
        if len(bound) == len(self.order):
            if all(self._has_product(rule, bound) for rule in self.motif.signs):
                yield bound
            return
        newest = self.order[len(bound)]
        for node in self._candidates(newest, bound):
            if node not in bound.values() and _fits(node, self.patterns[newest]):
                more = {**bound, newest: node}
                if self._holds(newest, more):
                    yield from self.extend(more)

    def _candidates(self, newest: str, bound: Binding) -> tuple[GraphNode, ...]:
        """The neighbours of one bound node that `newest` is joined to; at the start, all nodes."""
        for edge in self.motif.edges:
            if edge.receiver == newest and edge.sender in bound:
                return self.graph.below[bound[edge.sender].name]
            if edge.sender == newest and edge.receiver in bound:
                return self.graph.above[bound[edge.receiver].name]
        return self.graph.nodes

    def _holds(self, newest: str, bound: Binding) -> bool:
        """Whether all that the pattern says of `newest` and variables bound before it is so."""

        def decided(one: str, two: str) -> bool:
            return newest in (one, two) and one in bound and two in bound

        return (
            all(self._edges(e, bound) for e in self.motif.edges if decided(e.sender, e.receiver))
            and all(
                (bound[one].name, bound[two].name) not in self.graph.between
                for one, two in self.apart
                if decided(one, two)
            )
            and all(
                _in_relation(bound[order.left].depth, order.relation, bound[order.right].depth)
                for order in self.motif.depth
                if decided(order.left, order.right)
            )
            and all(
                bound[first].name < bound[second].name
                for first, second in self.name_orders
                if decided(first, second)
            )
        )

    def _edges(self, pattern: EdgePattern, bound: Binding) -> list[GraphEdge]:
        """The edges that can stand for the pattern's edge."""
        ends = (bound[pattern.sender].name, bound[pattern.receiver].name)
        return [
            edge
            for edge in self.graph.between.get(ends, ())
            if (not pattern.channels or edge.channel in pattern.channels)
            and (pattern.sign is None or sign_of(edge.score) is pattern.sign)
        ]

    def _has_product(self, rule: SignRule, bound: Binding) -> bool:
        """Whether some choice of the rule's edges has the product it asks for."""
        edges = [self._edges(self.motif.edges[place], bound) for place in rule.edges]
        for choice in product(*edges):
            signs = [sign_of(edge.score) for edge in choice]
            negatives = signs.count(Sign.NEGATIVE)
            found = Sign.NEGATIVE if negatives % 2 else Sign.POSITIVE
            if None not in signs and found is rule.product:
                return True
        return False


def _fits(node: GraphNode, pattern: NodePattern) -> bool:
    return (not pattern.roles or not node.roles.isdisjoint(pattern.roles)) and (
        not pattern.kinds or node.kind in pattern.kinds
    )


def _in_relation(left: float, relation: DepthRelation, right: float) -> bool:
    match relation:
        case DepthRelation.BEFORE:
            return left < right
        case DepthRelation.NOT_AFTER:
            return left <= right
        case DepthRelation.SAME:
            return left == right
