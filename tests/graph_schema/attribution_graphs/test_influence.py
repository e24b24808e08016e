"""Influence, pruning and scores: by hand, against the plain dense formulas, on a published file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from graph_schema.attribution_graphs import (
    AttributionGraph,
    cumulative_shares,
    graph_scores,
    node_influence,
    pruned,
)
from graph_schema.errors import NumericsError, SpecError
from tests.graph_schema.peers import HAIKU, peer

Matrix = NDArray[np.float64]


def graph_of(weights: Matrix, probabilities: Any, kinds: str) -> AttributionGraph:
    """A graph of nodes of these kinds, a letter each: feature, error, token, logit."""
    letters = np.array(list(kinds))
    return AttributionGraph.of(
        weights,
        probabilities,
        tokens=letters == "t",
        errors=letters == "e",
        logits=letters == "l",
    )


def test_by_hand() -> None:
    # token -> feature -> logit, error -> logit: the feature has 3/4 of the logit, all from a token.
    weights = np.zeros((4, 4))
    weights[0, 2], weights[3, 0], weights[3, 1] = -2.0, 3.0, 1.0
    graph = graph_of(weights, [0, 0, 0, 0.8], "fetl")
    assert node_influence(graph) == pytest.approx([0.6, 0.2, 0.6, 0])
    found = graph_scores(graph)
    assert found.replacement == pytest.approx(0.75)
    # Only the logit reads an error, 1/4 of it; flow is .6 + .2 + .6 + .8.
    assert found.completeness == pytest.approx(1 - 0.25 * 0.8 / 2.2)
    assert cumulative_shares(np.array([1.0, 3.0, 0.0])) == pytest.approx([1.0, 0.75, 1.0])


def drawn(seed: int, n: int = 60) -> AttributionGraph:
    rng = np.random.default_rng(seed)
    kinds = "t" * 6 + "".join(rng.choice(list("ffe"), n - 9)) + "l" * 3
    weights = np.tril(rng.normal(size=(n, n)), -1) * (rng.random((n, n)) < 0.3)
    letters = np.array(list(kinds))
    weights[(letters == "t") | (letters == "e")] = 0
    weights[:, letters == "l"] = 0
    probabilities = np.where(letters == "l", rng.random(n), 0.0)
    return graph_of(weights, probabilities, kinds)


def dense_shares(weights: Matrix) -> Matrix:
    size = np.abs(weights)
    return size / np.maximum(size.sum(axis=1, keepdims=True), 1e-10)


def dense_influence(weights: Matrix, p: Matrix) -> Matrix:
    n = len(p)
    return p @ (np.linalg.inv(np.eye(n) - dense_shares(weights)) - np.eye(n))


def dense_least(values: Matrix, threshold: float) -> float:
    ordered = np.sort(values.reshape(-1))[::-1]
    shares = np.cumsum(ordered) / ordered.sum()
    return float(ordered[min(int((shares < threshold).sum()), len(ordered) - 1)])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("thresholds", [(0.8, 0.98), (0.5, 0.9), (0.95, 0.7)])
def test_equals_the_dense_formulas(seed: int, thresholds: tuple[float, float]) -> None:
    graph = drawn(seed)
    weights, p = graph.weights.toarray(), graph.probabilities
    influence = dense_influence(weights, p)
    np.testing.assert_allclose(node_influence(graph), influence, atol=1e-12)
    nodes = (influence >= dense_least(influence, thresholds[0]) - 1e-12) | graph.tokens
    nodes |= graph.logits
    inside = np.where(nodes[:, None] & nodes[None, :], weights, 0.0)
    carried = dense_shares(inside) * (dense_influence(inside, p) + p)[:, None]
    links = (carried >= dense_least(carried, thresholds[1]) - 1e-12) & (carried > 0)
    for _ in range(len(nodes)):  # a node a pass is the most that can be needed
        for node in np.flatnonzero(nodes):
            sends, reads = links[:, node].any(), links[node].any()
            loose = (not sends) if graph.errors[node] else not (sends and reads)
            if loose and not (graph.tokens[node] or graph.logits[node]):
                nodes[node] = False
                links[node] = links[:, node] = False
    found = pruned(graph, node_threshold=thresholds[0], edge_threshold=thresholds[1])
    np.testing.assert_array_equal(found.nodes, nodes)
    np.testing.assert_array_equal(found.weights.toarray(), np.where(links, weights, 0.0))
    assert 0 < found.nodes.sum() < len(nodes)


def test_keeping_all_leaves_out_what_hangs_loose_alone() -> None:
    graph = drawn(1)
    found = pruned(graph, node_threshold=1.0, edge_threshold=1.0)
    out = np.flatnonzero(~found.nodes & (found.influence > 0))
    assert len(out)
    assert graph.features[out].all()
    np.testing.assert_array_equal(found.weights.toarray()[out], 0)


def test_published_graph_has_the_published_scores() -> None:
    file = json.loads(peer(HAIKU).read_text())
    place = {node["node_id"]: i for i, node in enumerate(file["nodes"])}
    kinds = np.array([node["feature_type"] for node in file["nodes"]])
    graph = AttributionGraph.of_links(
        [place[link["source"]] for link in file["links"]],
        [place[link["target"]] for link in file["links"]],
        [link["weight"] for link in file["links"]],
        [node["token_prob"] for node in file["nodes"]],
        tokens=kinds == "embedding",
        errors=kinds == "mlp reconstruction error",
        logits=kinds == "logit",
    )
    found = graph_scores(graph, pruned=True)
    assert found.replacement == pytest.approx(0.6947, abs=5e-5)
    assert found.completeness == pytest.approx(0.9342, abs=5e-5)


def test_a_cycle_is_refused() -> None:
    weights = np.zeros((3, 3))
    weights[0, 1] = weights[1, 0] = weights[2, 0] = 1.0
    with pytest.raises(SpecError, match="cycle"):
        node_influence(graph_of(weights, [0, 0, 1], "ffl"))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"weights": np.full((3, 3), np.nan)}, NumericsError, "not finite"),
        ({"probabilities": [0.0, 1.0]}, SpecError, "expected \\[node, node\\]"),
        ({"tokens": [True, False, True]}, SpecError, "two of"),
    ],
)
def test_bad_graphs_are_refused(change: dict[str, Any], error: type, words: str) -> None:
    fine: dict[str, Any] = {
        "weights": np.zeros((3, 3)),
        "probabilities": [0.0, 0.0, 1.0],
        "tokens": [True, False, False],
        "errors": [False, True, False],
        "logits": [False, False, True],
    } | change
    with pytest.raises(error, match=words):
        AttributionGraph.of(fine.pop("weights"), fine.pop("probabilities"), **fine)
    with pytest.raises(SpecError, match="threshold"):
        pruned(drawn(0), node_threshold=1.2)


def test_no_more_links_are_kept_than_asked_for() -> None:
    rng = np.random.default_rng(3)
    n = 40
    weights = np.tril(rng.normal(size=(n, n)), -1)
    kinds = np.zeros((3, n), dtype=bool)
    kinds[0, :4], kinds[2, -2:] = True, True
    chances = np.where(kinds[2], 0.5, 0.0)
    graph = AttributionGraph.of(weights, chances, tokens=kinds[0], errors=kinds[1], logits=kinds[2])
    whole, few = pruned(graph), pruned(graph, most_links=30)
    assert not whole.limited
    assert few.limited
    assert few.weights.nnz <= 30 < whole.weights.nnz
    kept = few.weights.nonzero()
    assert (whole.weights.toarray()[kept] == few.weights.toarray()[kept]).all()
    assert not pruned(graph, most_links=10_000).limited
