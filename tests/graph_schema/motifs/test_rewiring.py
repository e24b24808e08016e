"""Rewired graphs keep every degree towards every layer, and each is as likely as any other."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import chisquare

from graph_schema.motifs import CircuitGraph
from graph_schema.motifs.draws import Draws, NullDraws
from graph_schema.motifs.rewiring import all_rewired, rewired
from tests.graph_schema.motifs.made import KNOWN, graph_of, graphs

# Three heads send to three later ones in the same layer, twice, twice and once.
SMALL = graph_of(
    "a0.h0->a1.h0<q>",
    "a0.h0->a1.h1<q>",
    "a0.h1->a1.h1<q>",
    "a0.h1->a1.h2<q>",
    "a0.h2->a1.h2<q>",
)
PARALLEL = graph_of(
    "a0.h0->a1.h0<q>=1",
    "a0.h0->a1.h0<k>=-1",
    "a0.h1->a1.h1<q>=1",
    "a0.h1->a1.h1<v>=1",
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def only(drawn: NullDraws) -> Draws:
    """The draws, which are few enough to come together."""
    (part,) = drawn.parts
    return part


def edges_of(wirings: Draws, draw: int) -> list[tuple[int, int, int, int]]:
    columns = (wirings.sender, wirings.receiver, wirings.channel, wirings.sign)
    return list(zip(*(column[draw].tolist() for column in columns), strict=True))


def degrees(graph: CircuitGraph, edges: list[tuple[int, int, int, int]]) -> Counter[object]:
    """Every sender's edges and signs into each layer, every input's edges from each layer."""
    depth = [node.depth for node in graph.nodes]
    counts: Counter[object] = Counter()
    for sender, receiver, channel, sign in edges:
        counts["out", sender, sign, depth[receiver]] += 1
        counts["in", receiver, channel, depth[sender]] += 1
    return counts


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_degrees_towards_every_layer_are_kept(graph: CircuitGraph) -> None:
    observed = edges_of(Draws.of(graph), 0)
    wirings = only(rewired(graph, 8, rng(), bare=False))
    for draw in range(wirings.n_draws):
        edges = edges_of(wirings, draw)
        assert degrees(graph, edges) == degrees(graph, observed)
        assert len({edge[:3] for edge in edges}) == len(graph.edges), "an edge came twice"


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_bare_rewiring_keeps_the_degrees_of_pairs(graph: CircuitGraph) -> None:
    observed = [(*ends, 0, 0) for ends in {e[:2] for e in edges_of(Draws.of(graph), 0)}]
    wirings = only(rewired(graph, 8, rng(), bare=True))
    for draw in range(wirings.n_draws):
        edges = [(*edge[:2], 0, 0) for edge in edges_of(wirings, draw)]
        assert degrees(graph, edges) == degrees(graph, observed)
        assert len(set(edges)) == len(edges)


def test_small_spaces_are_listed_whole() -> None:
    """Held against every way to deal the receivers out anew."""
    senders = [edge.sender for edge in SMALL.edges]
    dealt = permutations([edge.receiver for edge in SMALL.edges])
    expected = {frozenset(zip(senders, receivers, strict=True)) for receivers in dealt}
    expected = {graph for graph in expected if len(graph) == len(SMALL.edges)}
    drawn = all_rewired(SMALL, 100, bare=True)
    assert drawn is not None
    names = [node.name for node in SMALL.nodes]
    wirings = only(drawn)
    listed = [
        frozenset((names[s], names[r]) for s, r, _, _ in edges_of(wirings, draw))
        for draw in range(wirings.n_draws)
    ]
    assert drawn.exact
    assert len(set(wirings.marks(of_roles=False))) == len(listed) == len(set(listed))
    assert set(listed) == expected
    assert all_rewired(SMALL, len(listed) - 1, bare=True) is None


@pytest.mark.parametrize(("graph", "bare"), [(SMALL, True), (PARALLEL, False)])
def test_every_graph_is_drawn_equally_often(graph: CircuitGraph, bare: bool) -> None:
    listed = all_rewired(graph, 1000, bare=bare)
    assert listed is not None
    drawn = only(rewired(graph, 2000, rng(), bare=bare))
    counts: Counter[frozenset[tuple[int, ...]]] = Counter()
    for draw in range(2000):
        counts[frozenset(edge[:3] for edge in edges_of(drawn, draw))] += 1
    assert len(counts) == only(listed).n_draws
    assert chisquare(list(counts.values())).pvalue > 1e-4


def test_scores_stay_with_their_senders_and_move_among_their_edges() -> None:
    drawn = only(rewired(PARALLEL, 200, rng(), bare=False))
    first = PARALLEL.index["a0.h0"]
    signs = [
        [(receiver, channel) for s, receiver, channel, sign in edges if s == first and sign < 0]
        for edges in (edges_of(drawn, draw) for draw in range(200))
    ]
    assert all(len(found) == 1 for found in signs)
    assert len({found[0] for found in signs}) == 4


def test_draws_follow_the_seed() -> None:
    def targets(seed: int) -> list[list[int]]:
        return only(rewired(KNOWN, 5, rng(seed), bare=False)).receiver.tolist()

    assert targets(1) == targets(1)
    assert targets(1) != targets(2)


def test_a_graph_without_edges_has_one_wiring() -> None:
    empty = CircuitGraph.build([], [])
    listed = all_rewired(empty, 10, bare=True)
    assert listed is not None
    assert only(listed).n_draws == 1
    assert len(set(only(rewired(empty, 10, rng(), bare=False)).marks(of_roles=False))) == 1


def test_a_thousand_senders_of_one_layer_are_listed() -> None:
    """The one graph there is, found without a recursion as deep as the layer is wide."""
    graph = graph_of(*(f"m0.n{place}->logits" for place in range(1200)))
    drawn = all_rewired(graph, 1000, bare=False)
    assert drawn is not None
    assert only(drawn).n_draws == 1


def test_swapping_two_edges_of_like_score_is_no_other_draw() -> None:
    graph = graph_of("a0.h0->a1.h0<q>=1", "a0.h0->a1.h0<k>=1")
    assert len(set(only(rewired(graph, 50, rng(), bare=False)).marks(of_roles=False))) == 1
