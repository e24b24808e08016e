"""The null for roles: the same wiring, the roles dealt out anew among nodes that are alike.

Alike are nodes of one kind and depth bin whose |effect| and degree fall into the same bin. Groups
too small for two bins of `LEAST` nodes stay whole: in a small circuit no role could move otherwise.
A node's effect is the sum of the scores of the edges it sends, to first order what patching it
does, unless measured effects are given. If there are no more ways to deal than draws asked for, all
of them are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents.motif import Motif
from graph_schema.documents.role import RoleName
from graph_schema.motifs.counting import Bools, Ints, binding_table
from graph_schema.motifs.graph import CircuitGraph

DEPTH_BINS = 4
EFFECT_BINS = 2
DEGREE_BINS = 2
LEAST = 4
NO_ROLE = len(RoleName)
CODES = {role: code for code, role in enumerate(RoleName)}
_CELLS = 20_000_000

Strata = list[list[int]]


@dataclass(frozen=True)
class Relabelled:
    """Role codes, a row a draw, a column a node; `exact` as in `Rewired`."""

    roles: Ints
    strata: Strata
    distinct: int
    exact: bool


def strata_of(graph: CircuitGraph, effects: Mapping[str, float] | None = None) -> Strata:
    """The nodes (by place) in groups that are alike; each node is in exactly one."""
    by_name: dict[str, float] = dict.fromkeys(graph.index, 0.0)
    degree: dict[str, int] = dict.fromkeys(graph.index, 0)
    for edge in graph.edges:
        by_name[edge.sender] += edge.score
        degree[edge.sender] += 1
        degree[edge.receiver] += 1
    size = {name: abs((effects or {}).get(name, effect)) for name, effect in by_name.items()}
    groups: dict[tuple[str, int], list[int]] = {}
    for place, node in enumerate(graph.nodes):
        depth_bin = min(int(node.depth * DEPTH_BINS), DEPTH_BINS - 1)
        groups.setdefault((node.kind.value, depth_bin), []).append(place)
    strata: Strata = []
    for members in groups.values():
        by_effect = [size[graph.nodes[place].name] for place in members]
        for alike in _split(members, by_effect, EFFECT_BINS):
            by_degree = [float(degree[graph.nodes[place].name]) for place in alike]
            strata.extend(_split(alike, by_degree, DEGREE_BINS))
    return strata


def _split(members: list[int], values: list[float], bins: int) -> Strata:
    """Bins of about equal size, of at least `LEAST` nodes; equal values stay together."""
    bins = min(bins, len(members) // LEAST)
    if bins < 2:
        return [members]
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    found: dict[int, list[int]] = {}
    for member, value in zip(members, values, strict=True):
        found.setdefault(int(np.searchsorted(edges, value)), []).append(member)
    return list(found.values())


def relabelled(
    graph: CircuitGraph,
    draws: int,
    rng: np.random.Generator,
    effects: Mapping[str, float] | None = None,
) -> Relabelled:
    """The roles of `graph`'s nodes, dealt out anew within the strata."""
    strata = strata_of(graph, effects)
    observed = role_codes(graph)
    ways = prod(_ways(observed[members].tolist()) for members in strata)
    if ways <= draws:
        deals = [list(_deals(observed[members].tolist())) for members in strata]
        roles = np.repeat(observed[None, :], ways, 0)
        for row, choice in zip(roles, product(*deals), strict=True):
            for members, dealt in zip(strata, choice, strict=True):
                row[members] = dealt
        return Relabelled(roles, strata, ways, exact=True)
    roles = np.repeat(observed[None, :], draws, 0)
    for members in strata:
        roles[:, members] = rng.permuted(roles[:, members], axis=1)
    return Relabelled(roles, strata, len({row.tobytes() for row in roles}), exact=False)


def role_codes(graph: CircuitGraph) -> Ints:
    return np.array(
        [NO_ROLE if node.role is None else CODES[node.role] for node in graph.nodes],
        dtype=np.int64,
    )


def _ways(codes: list[int]) -> int:
    """The number of distinct orders of `codes`."""
    return factorial(len(codes)) // prod(factorial(codes.count(code)) for code in set(codes))


def _deals(codes: list[int]) -> Iterator[tuple[int, ...]]:
    """The distinct orders of `codes`."""
    if not codes:
        yield ()
    for code in sorted(set(codes)):
        rest = codes.copy()
        rest.remove(code)
        for more in _deals(rest):
            yield (code, *more)


def count_relabelled(graph: CircuitGraph, motif: Motif, drawn: Relabelled) -> Ints:
    """The number of occurrences of `motif` under each deal of roles.

    The wiring stays, so its bindings are found once, roles apart, and every deal only reads off
    which of them have the roles asked for.
    """
    wanted = {
        node.variable: np.isin(np.arange(NO_ROLE + 1), [CODES[role] for role in node.roles])
        for node in motif.nodes
        if node.roles
    }
    table = binding_table(graph, motif, _reachable(graph, motif, drawn, wanted))
    counts = np.zeros(len(drawn.roles), dtype=np.int64)
    step = max(1, _CELLS // max(1, len(table)))
    for start in range(0, len(drawn.roles), step):
        roles = drawn.roles[start : start + step]
        fits: NDArray[np.bool_] = np.ones((len(roles), len(table)), dtype=np.bool_)
        for variable, allowed in wanted.items():
            column = table[:, motif.variables.index(variable)]
            fits &= allowed[roles][:, column]
        counts[start : start + step] = fits.sum(axis=1)
    return counts


def _reachable(
    graph: CircuitGraph, motif: Motif, drawn: Relabelled, wanted: Mapping[str, Bools]
) -> dict[str, Bools]:
    """By variable, the nodes of its kinds that can be dealt one of its roles at all."""
    observed = role_codes(graph)
    allowed: dict[str, Bools] = {}
    for pattern in motif.nodes:
        fits = np.array(
            [not pattern.kinds or node.kind in pattern.kinds for node in graph.nodes],
            dtype=np.bool_,  # of no nodes too
        )
        if pattern.variable in wanted:
            for members in drawn.strata:
                fits[members] &= wanted[pattern.variable][observed[members]].any()
        allowed[pattern.variable] = fits
    return allowed
