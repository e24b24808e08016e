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
from itertools import combinations, permutations, product
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
    observed = _mean_jaccard(np.stack([_row(_weights(graph), keys) for graph in graphs]))
    drawn = np.array([_mean_jaccard(_drawn(graphs, keys, rng)) for _ in range(draws)])
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


def similarity(one: RoleGraph, two: RoleGraph) -> float:
    """The weighted Jaccard index of two graphs' super-edges."""
    keys = sorted({super_edge_key(edge) for graph in (one, two) for edge in graph.edges})
    return _mean_jaccard(np.stack([_row(_weights(each), keys) for each in (one, two)]))


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
    values: list[float] = []
    for way in names:
        called = [
            _renamed(each, dict(zip(old, new, strict=True)))
            for each, old, new in zip(weights, roles, way, strict=True)
        ]
        keys = sorted({key for each in called for key in each})
        values.append(_mean_jaccard(np.stack([_row(each, keys) for each in called])))
    return np.array(values), exact


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
    rng: np.random.Generator,
) -> Shares:
    rows = np.zeros((len(graphs), len(keys)))
    for place, graph in enumerate(graphs):
        for edge in graph.edges:
            if not edge.is_bound:
                spread = (edge.ci_high - edge.ci_low) / _SIDES
                value = rng.normal(edge.share, spread)
                rows[place, keys.index(super_edge_key(edge))] = max(0.0, value)
    return rows


def _mean_jaccard(rows: Shares) -> float:
    """The mean of the index over all pairs of rows; of two graphs that carry nothing it is 0."""
    values: list[float] = []
    for one, two in combinations(rows, 2):
        whole = float(np.maximum(one, two).sum())
        values.append(float(np.minimum(one, two).sum()) / whole if whole > 0 else 0.0)
    return float(np.mean(values))
