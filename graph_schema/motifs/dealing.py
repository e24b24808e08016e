"""Counts of every small pattern in a model's circuits: with its roles, and with roles dealt anew.

The circuits of a model have components in common, and a component has its roles in all of them: a
deal is over the nodes of all circuits together (`relabelling` says among which), and occurrences
are summed over circuits. All patterns that occur in the circuits *or in some deal* are counted.
That family does not depend on which of the deals is the real one, so p means what it says within
it; the patterns of the circuits alone would be chosen for occurring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from graph_schema.documents.role import RoleName
from graph_schema.motifs.draws import Ints, RoleSet, role_codes, role_sets
from graph_schema.motifs.graph import CircuitGraph, GraphEdge, GraphNode
from graph_schema.motifs.patterns import Pattern, Shape, pattern_of
from graph_schema.motifs.places import TooManyError, places
from graph_schema.motifs.relabelling import relabelled, strata_of

CELLS = 4_000_000
"""Upper bound on places x deals looked at together."""


@dataclass(frozen=True)
class PatternCount:
    """Occurrences of one pattern in a model, beside those in its deals.

    `p`: share of the deals, the real one among them, with at least as many. `least_p`: the least
    that it could have been. `varies`: the deals differ in it.
    """

    observed: int
    mean: float
    p: float
    least_p: float
    varies: bool


@dataclass(frozen=True)
class ModelCounts:
    """All patterns of one model, and the roles that its nodes play."""

    patterns: dict[Pattern, PatternCount]
    roles: frozenset[RoleName]
    places: int
    draws: int
    exact: bool


def joined(circuits: Sequence[CircuitGraph]) -> CircuitGraph:
    """The circuits of one model as one graph; an edge's score is its mean where it stands."""
    nodes: dict[str, GraphNode] = {}
    scores: dict[tuple[str, str, str], list[GraphEdge]] = {}
    for graph in circuits:
        for node in graph.nodes:
            roles = node.roles | (nodes[node.name].roles if node.name in nodes else frozenset())
            nodes[node.name] = GraphNode(node.name, node.kind, node.layer, node.depth, roles)
        for edge in graph.edges:
            scores.setdefault((edge.sender, edge.receiver, edge.channel), []).append(edge)
    edges = [
        GraphEdge(same[0].sender, same[0].receiver, same[0].channel, _mean(same))
        for same in scores.values()
    ]
    return CircuitGraph.build(nodes.values(), edges)


def _mean(edges: list[GraphEdge]) -> float:
    return sum(edge.score for edge in edges) / len(edges)


def places_of(
    circuits: Sequence[CircuitGraph], *, max_nodes: int, limit: int
) -> list[dict[Shape, Ints]]:
    """The places of each circuit, nodes by their place in the joined graph.

    Raises:
        TooManyError: There are more than the limit, over all circuits.
    """
    union = joined(circuits)
    eligible = {
        union.nodes[place].name
        for members in strata_of(union)
        if any(union.nodes[place].roles for place in members)
        for place in members
    }
    found: list[dict[Shape, Ints]] = []
    for graph in circuits:
        mine = places(graph, eligible, max_nodes=max_nodes, limit=limit)
        limit -= sum(len(rows) for rows in mine.values())
        to_union = np.array([union.index[node.name] for node in graph.nodes], dtype=np.int64)
        found.append({shape: to_union[rows] for shape, rows in mine.items()})
    return found


def dealt_counts(
    circuits: Sequence[CircuitGraph],
    where: Sequence[dict[Shape, Ints]],
    *,
    draws: int,
    rng: np.random.Generator,
    limit: int,
) -> ModelCounts:
    """Count every pattern that occurs in the circuits or in one of the deals.

    Args:
        circuits: Of one model.
        where: Their places (`places_of`).
        draws: Deals; where there are no more in all, each is listed.
        limit: Of patterns.

    Raises:
        TooManyError: There are more patterns than the limit.
    """
    union = joined(circuits)
    dealt = relabelled(union, draws, rng)
    deals = np.concatenate([part.roles for part in dealt.parts])
    roles = np.concatenate([role_codes(union)[None, :], deals])
    sets = role_sets(union)
    # Nodes without a role match nothing: the sets that count are numbered, the empty one is -1.
    some = [each for each in sets if each]
    codes = np.array([some.index(each) if each else -1 for each in sets], dtype=np.int64)[roles]
    by_shape: dict[Shape, list[Ints]] = {}
    for mine in where:
        for shape, rows in mine.items():
            by_shape.setdefault(shape, []).append(rows)
    found: dict[Pattern, PatternCount] = {}
    n_places = 0
    for shape, parts in by_shape.items():
        rows = np.concatenate(parts)
        n_places += len(rows)
        for pattern, counts in _counted(shape, rows, codes, some).items():
            # Of an exact null the real deal is among the deals listed.
            members = counts[1:] if dealt.exact else counts
            observed = int(counts[0])
            found[pattern] = PatternCount(
                observed=observed,
                mean=float(members.mean()),
                p=float((members >= observed).mean()),
                least_p=float((members == members.max()).mean()),
                varies=bool(members.min() < members.max()),
            )
        if len(found) > limit:
            raise TooManyError
    played = frozenset(role for each in some for role in each)
    return ModelCounts(found, played, n_places, len(deals), dealt.exact)


def _counted(shape: Shape, rows: Ints, codes: Ints, sets: Sequence[RoleSet]) -> dict[Pattern, Ints]:
    """By pattern of this shape, its occurrences in every deal (the rows of `codes`)."""
    n_deals, kinds = len(codes), len(sets) ** shape.n_roles
    counts: dict[Pattern, Ints] = {}
    known: dict[int, list[Pattern]] = {}
    step = max(1, min(CELLS // kinds, CELLS // len(rows)))
    for first in range(0, n_deals, step):
        some = codes[first : first + step]
        spelled = np.zeros((len(some), len(rows)), dtype=np.int64)
        kept = np.ones(spelled.shape, dtype=np.bool_)
        for place in range(shape.n_roles):
            here = some[:, rows[:, place]]
            kept &= here >= 0
            spelled = spelled * len(sets) + here
        cells = (np.arange(len(some))[:, None] * kinds + spelled)[kept]
        table = np.bincount(cells, minlength=len(some) * kinds).reshape(len(some), kinds)
        for code in np.flatnonzero(table.any(axis=0)).tolist():
            if code not in known:
                known[code] = _patterns(shape, code, sets)
            for pattern in known[code]:
                if pattern not in counts:
                    counts[pattern] = np.zeros(n_deals, dtype=np.int64)
                counts[pattern][first : first + len(some)] += table[:, code]
    return counts


def _patterns(shape: Shape, code: int, sets: Sequence[RoleSet]) -> list[Pattern]:
    """The patterns that nodes with these sets of roles match: a choice of a role each."""
    chosen: list[RoleSet] = []
    for _ in range(shape.n_roles):
        code, last = divmod(code, len(sets))
        chosen.insert(0, sets[last])
    # Choices that a symmetry maps onto each other are two occurrences: of other roles at a node.
    return [pattern_of(shape, roles) for roles in product(*(sorted(each) for each in chosen))]
