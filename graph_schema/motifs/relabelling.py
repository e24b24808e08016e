"""The null for roles: the same wiring, the roles dealt out anew among nodes that are alike.

What a node is dealt is all that another one plays, so roles that go together stay together. Alike
are nodes of one kind and depth bin whose |effect| and degree fall into the same bin. Groups
too small for two bins of `LEAST` nodes stay whole: in a small circuit no role could move otherwise.
A node's effect is the sum of the scores of the edges it sends, to first order what patching it
does, unless measured effects are given. If there are no more ways to deal than draws asked for, all
of them are listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from math import factorial, prod

import numpy as np

from graph_schema.motifs.draws import Draws, Ints, NullDraws, role_codes
from graph_schema.motifs.graph import CircuitGraph

DEPTH_BINS = 4
EFFECT_BINS = 2
DEGREE_BINS = 2
LEAST = 4
_CELLS = 10_000_000
"""Upper bound on draws x nodes dealt at a time."""

Strata = list[list[int]]


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
) -> NullDraws:
    """The roles of `graph`'s nodes, dealt out anew within the strata."""
    strata = strata_of(graph, effects)
    whole, observed = Draws.of(graph), role_codes(graph)
    dealt = [observed[members].tolist() for members in strata]
    ways = prod(_ways(codes) for codes in dealt)
    step = max(1, _CELLS // max(1, len(observed)))
    if ways <= draws:
        return NullDraws(_listed(whole, observed, strata, dealt), exact=True)

    def drawn() -> Iterator[Draws]:
        for done in range(0, draws, step):
            roles = np.repeat(observed[None, :], min(step, draws - done), 0)
            for members in strata:
                roles[:, members] = rng.permuted(roles[:, members], axis=1)
            yield whole.relabelled(roles)

    return NullDraws(drawn(), exact=False)


def _listed(
    whole: Draws, observed: Ints, strata: Strata, dealt: list[list[int]]
) -> Iterator[Draws]:
    """Every deal there is."""
    choices = list(product(*(list(_deals(codes)) for codes in dealt)))
    roles = np.repeat(observed[None, :], len(choices), 0)
    for row, choice in zip(roles, choices, strict=True):
        for members, codes in zip(strata, choice, strict=True):
            row[members] = codes
    yield whole.relabelled(roles)


def _ways(codes: list[int]) -> int:
    """The number of distinct orders of `codes`."""
    return factorial(len(codes)) // prod(factorial(n) for n in Counter(codes).values())


def _deals(codes: list[int]) -> Iterator[tuple[int, ...]]:
    """The distinct orders of `codes`, from the sorted one on, each the next in the dictionary."""
    order = sorted(codes)
    while True:
        yield tuple(order)
        falls = len(order) - 1
        while falls > 0 and order[falls - 1] >= order[falls]:
            falls -= 1
        if falls <= 0:
            return
        # The last place that can grow takes the next larger code after it; the rest starts anew.
        after = next(i for i in range(len(order) - 1, 0, -1) if order[i] > order[falls - 1])
        order[falls - 1], order[after] = order[after], order[falls - 1]
        order[falls:] = reversed(order[falls:])
