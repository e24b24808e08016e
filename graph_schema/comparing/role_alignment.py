"""How alike role graphs are: the weighted Jaccard index of what their super-edges carry.

Similarity is the sum over super-edges of the smaller share by the sum of the larger. Its interval
is a parametric one: every share is drawn from a normal distribution with the width of its own
interval over prompts, independently, because prompts' own values are not kept in a role graph.

The null permutes, within each graph, which node is called by which role: two graphs that carry the
same between whatever roles are alike no more often than that. Few roles have few permutations; all
are listed where that is feasible, and where there are too few for `alpha` the test says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents import RoleGraph
from graph_schema.documents.alignment import RoleAlignment
from graph_schema.documents.protocol import super_edge_key

DRAWS = 2000
MOST_LISTED = 20_000
ENDS = ("input", "logits")
_SIDES = 2 * 1.959964
_SAME = 1e-9
_CELLS = 4_000_000

Shares = NDArray[np.float64]
Weights = dict[tuple[str, str, str], float]


def align(
    graphs: Sequence[RoleGraph], *, draws: int = DRAWS, seed: int = 0, alpha: float = 0.05
) -> RoleAlignment:
    """How alike two or more role graphs are: the mean over their pairs.

    Args:
        graphs: At least two.
        draws: From each share's interval, and from the null where it is not listed.
        seed: Of the draws.
        alpha: Level that the null's size must allow.
    """
    assert len(graphs) >= 2, "an alignment is of two role graphs or more"
    rng = np.random.default_rng(seed)
    keys = sorted({super_edge_key(edge) for graph in graphs for edge in graph.edges})
    observed = similarity(*graphs)
    drawn = _mean_jaccard(_drawn(graphs, keys, draws, rng))
    low, high = np.quantile(drawn, [0.025, 0.975])
    null, exact = _null(graphs, draws, rng)
    best = float(null.max())
    least = float((null >= best - _SAME).mean())
    as_large = int((null >= observed - _SAME).sum())
    p = as_large / len(null) if exact else (1 + as_large) / (len(null) + 1)
    return RoleAlignment(
        role_graph_ids=tuple(graph.role_graph_id for graph in graphs),
        similarity=observed,
        ci_low=min(float(low), observed),
        ci_high=max(float(high), observed),
        p=p,
        draws=len(null),
        least_p=least,
        exact=exact,
        testable=least <= alpha,
    )


def similarity(*graphs: RoleGraph) -> float:
    """The weighted Jaccard index of two graphs' super-edges, or its mean over pairs of several."""
    keys = sorted({super_edge_key(edge) for graph in graphs for edge in graph.edges})
    return float(_mean_jaccard(np.stack([_row(_weights(each), keys) for each in graphs])[None])[0])


def _null(graphs: Sequence[RoleGraph], draws: int, rng: np.random.Generator) -> tuple[Shares, bool]:
    """The index under permuted roles, and whether all permutations were listed."""
    weights = [_weights(graph) for graph in graphs]
    roles = [sorted(str(n.role) for n in g.nodes if str(n.role) not in ENDS) for g in graphs]
    # Calling all graphs' roles otherwise in the same way changes nothing, so one stays as it is.
    if prod(factorial(len(names)) for names in roles[1:]) <= MOST_LISTED:
        ways = product(*(permutations(names) for names in roles[1:]))
        names = [[tuple(roles[0]), *way] for way in ways]
        exact = True
    else:
        names = [[tuple(rng.permutation(each).tolist()) for each in roles] for _ in range(draws)]
        exact = False
    every = [
        {tuple(way[place]) for way in names} for place in range(len(graphs))
    ]  # each graph's own ways are few, however many there are together
    renamed = [
        {way: _renamed(own, dict(zip(old, way, strict=True))) for way in ways}
        for own, old, ways in zip(weights, roles, every, strict=True)
    ]
    keys = sorted({key for of in renamed for each in of.values() for key in each})
    rows = [{way: _row(each, keys) for way, each in of.items()} for of in renamed]
    together = [
        np.stack([of[tuple(each)] for of, each in zip(rows, way, strict=True)]) for way in names
    ]
    return _mean_jaccard(np.stack(together)), exact


def _renamed(weights: Weights, to: dict[str, str]) -> Weights:
    return {
        (to.get(sender, sender), channel, to.get(receiver, receiver)): weight
        for (sender, channel, receiver), weight in weights.items()
    }


def _weights(graph: RoleGraph) -> Weights:
    """What super-edges carry; a role without members carries nothing, whatever its bound."""
    return {
        super_edge_key(edge): 0.0 if edge.is_bound else max(0.0, edge.share) for edge in graph.edges
    }


def _row(weights: Weights, keys: Sequence[tuple[str, str, str]]) -> Shares:
    return np.array([weights.get(key, 0.0) for key in keys])


def _drawn(
    graphs: Sequence[RoleGraph],
    keys: Sequence[tuple[str, str, str]],
    draws: int,
    rng: np.random.Generator,
) -> Shares:
    """Shares drawn from their intervals [draw, graph, super-edge]."""
    centre, spread = np.zeros((2, len(graphs), len(keys)))
    for place, graph in enumerate(graphs):
        for edge in graph.edges:
            if not edge.is_bound:
                at = keys.index(super_edge_key(edge))
                centre[place, at] = edge.share
                spread[place, at] = (edge.ci_high - edge.ci_low) / _SIDES
    return np.maximum(0.0, rng.normal(centre, spread, (draws, *centre.shape)))


def _mean_jaccard(rows: Shares) -> Shares:
    """The mean of the index over all pairs of graphs; of two that carry nothing it is 0.

    `rows` [draw, graph, super-edge]; one value a draw.
    """
    one, two = np.triu_indices(rows.shape[-2], 1)
    at_a_time = max(1, _CELLS // (len(one) * max(1, rows.shape[-1])))
    found: list[Shares] = []
    for start in range(0, len(rows), at_a_time):
        a, b = rows[start : start + at_a_time, one], rows[start : start + at_a_time, two]
        small, whole = np.minimum(a, b).sum(axis=-1), np.maximum(a, b).sum(axis=-1)
        found.append(np.divide(small, whole, out=np.zeros_like(small), where=whole > 0).mean(-1))
    return np.concatenate(found)
