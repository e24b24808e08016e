"""From a traced prompt to the graph that is kept: influence, scores, nodes and edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.tracing.tracing import Traced
from graph_schema.attribution_graphs import AttributionGraph, Pruned, graph_scores, pruned
from graph_schema.documents import Channel, Component, ComponentKind, GraphScores, Trace
from graph_schema.documents.component import INPUTS, UNNAMED


@dataclass(frozen=True)
class Kept:
    """What is kept of a traced prompt.

    Attributes:
        scores: Of the whole graph; a rest counts as an error, since nothing explains it.
        without_rests: The same where rests are left out, as circuit-tracer leaves out features
            beyond its limit; None where there are none, or no errors.
        edges: Sender, receiver, channel and weight, the largest |weight| first.
        n_edges: How many the whole graph has.
    """

    parts: tuple[Component, ...]
    pruned: Pruned
    scores: GraphScores
    without_rests: GraphScores | None
    edges: tuple[tuple[int, int, Channel, float], ...]
    n_edges: int


def keep(traced: Traced, method: Trace) -> Kept:
    """Prune as circuit-tracer does, with no more than `max_edges` edges."""
    parts = tuple(map(Component.parse, traced.names))
    squares = {channel: each.double().cpu().numpy() for channel, each in traced.weights.items()}
    whole = sum((np.abs(each) for each in squares.values()), np.zeros(()))
    graph = _graph(traced, parts, whole)
    found = _pruned(graph, squares, method)
    rests = np.array([part.kind is ComponentKind.REST for part in parts])
    without = None
    errors = any(part.kind is ComponentKind.ERROR for part in parts)
    if rests.any() and errors:
        without = graph_scores(_graph(traced, parts, np.where(rests, 0.0, whole)))
    rows, columns = found.weights.nonzero()
    edges: list[tuple[int, int, Channel, float]] = []
    for target, source in zip(rows.tolist(), columns.tolist(), strict=True):
        for channel, square in squares.items():
            if weight := float(square[target, source]):
                edges.append((source, target, channel, weight))
    edges.sort(key=lambda edge: (-abs(edge[3]), traced.names[edge[0]], traced.names[edge[1]]))
    return Kept(
        parts,
        found,
        graph_scores(graph),
        without,
        tuple(edges),
        int(sum(np.count_nonzero(each) for each in squares.values())),
    )


def _pruned(graph: AttributionGraph, squares: dict[Channel, NDArray[Any]], method: Trace) -> Pruned:
    """The graph with so few links that their edges, up to three a link, are no more than asked."""
    most = method.max_edges
    while True:
        found = pruned(
            graph,
            node_threshold=method.node_threshold,
            edge_threshold=method.edge_threshold,
            most_links=most,
        )
        links = found.weights.nonzero()
        n_edges = sum(int(np.count_nonzero(each[links])) for each in squares.values())
        if n_edges <= method.max_edges or not most:
            return found
        most = min(most, len(links[0])) * method.max_edges // n_edges


def _graph(traced: Traced, parts: tuple[Component, ...], weights: NDArray[Any]) -> AttributionGraph:
    kinds = [part.kind for part in parts]
    logits = np.array([kind is ComponentKind.LOGITS for kind in kinds])
    chances = np.zeros(len(parts))
    chances[logits] = traced.logits.probability.double().cpu().numpy()
    return AttributionGraph.of(
        weights,
        chances,
        tokens=np.array([kind in INPUTS for kind in kinds]),
        errors=np.array([kind in UNNAMED for kind in kinds]),
        logits=logits,
    )
