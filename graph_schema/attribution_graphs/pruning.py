"""Which nodes and links of an attribution graph to keep, as circuit-tracer prunes.

Nodes by their influence, then links by what of it they carry, then whatever hangs loose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from graph_schema.attribution_graphs.influence import (
    AttributionGraph,
    Bools,
    Floats,
    cumulative_shares,
    node_influence,
    normalised,
    through,
)
from graph_schema.errors import SpecError

NODE_THRESHOLD = 0.8
EDGE_THRESHOLD = 0.98


@dataclass(frozen=True)
class Pruned:
    """What is kept.

    Attributes:
        nodes: [node], which.
        weights: [node, node], row = target: those of the links that are kept, a `csr_array`.
        influence: [node], on the graph before it was pruned.
        shares: [node], `cumulative_shares` of it.
        limited: Fewer links are kept than `edge_threshold` asks for.
    """

    nodes: Bools
    weights: Any
    influence: Floats
    shares: Floats
    limited: bool = False


def pruned(
    graph: AttributionGraph,
    *,
    node_threshold: float = NODE_THRESHOLD,
    edge_threshold: float = EDGE_THRESHOLD,
    most_links: int | None = None,
) -> Pruned:
    """The nodes that hold `node_threshold` of all influence, the links that carry `edge_threshold`.

    Tokens and logits always stay. Of what is left, features and errors without a link out of them
    and features without one into them go, until none does. As published; what has a node's or a
    link's last value is kept with it, and links of no weight are none. With `most_links` no more
    than those that carry most are kept, which is not published: neurons have many more links than
    features of a dictionary.

    Raises:
        SpecError: A threshold is not a share, or the graph has a cycle.
    """
    for name, value in (("node_threshold", node_threshold), ("edge_threshold", edge_threshold)):
        if not 0 <= value <= 1:
            raise SpecError(f"{name} is {value:g}; expected a share, from 0 to 1")
    influence = node_influence(graph)
    always = graph.tokens | graph.logits
    nodes = (influence >= _least(influence, node_threshold)) | always

    inside = sparse.coo_array(_between(graph.weights, nodes))
    shares = normalised(inside)
    flow = through(shares, graph.probabilities) + graph.probabilities
    carried = shares.tocoo()
    carries = carried.data * flow[carried.coords[0]]
    kept = carries >= _least(carries, edge_threshold)
    limited = most_links is not None and bool(kept.sum() > most_links)
    if limited:
        kept = np.zeros_like(kept)
        kept[np.argsort(-carries, kind="stable")[:most_links]] = True
    rows, columns = carried.coords[0][kept], carried.coords[1][kept]

    features = graph.features
    while True:
        linked = nodes[rows] & nodes[columns]
        rows, columns = rows[linked], columns[linked]
        sends, reads = _any(columns, len(nodes)), _any(rows, len(nodes))
        left = nodes & (always | sends) & (~features | reads)
        if (left == nodes).all():
            break
        nodes = left
    mask = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=graph.weights.shape)
    weights = sparse.csr_array(graph.weights * mask)
    return Pruned(nodes, weights, influence, cumulative_shares(influence), limited)


def _least(values: Floats, threshold: float) -> float:
    """The smallest of the largest values that hold `threshold` of their sum."""
    total = values.sum()
    if not total > 0:
        return 0.0
    ordered = np.sort(values)[::-1]
    place = np.searchsorted(np.cumsum(ordered) / total, threshold)
    return float(ordered[min(int(place), len(ordered) - 1)])


def _between(weights: Any, nodes: Bools) -> Any:
    """The weights of links between these nodes."""
    keep = sparse.diags_array(nodes.astype(np.float64))
    found = sparse.csr_array(keep @ weights @ keep)
    found.eliminate_zeros()
    return found


def _any(ends: Any, n: int) -> Bools:
    found = np.zeros(n, dtype=np.bool_)
    found[ends] = True
    return found
