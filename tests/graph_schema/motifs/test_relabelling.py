"""Roles are dealt out anew among nodes that are alike, and counted as the matcher counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import Motif, RoleName
from graph_schema.motifs import CircuitGraph, bindings, relabelling
from graph_schema.motifs.counting import count_occurrences
from graph_schema.motifs.draws import Draws, role_codes, role_sets
from graph_schema.motifs.relabelling import _deals, relabelled, strata_of
from tests.graph_schema.motifs.made import CASES, graph_of, graphs
from tests.graph_schema.motifs.simulated import graph_in

# Four heads of one layer, alike in effect and degree.
ALIKE = graph_of(
    *(f"a0.h{head}->m1=0.5" for head in range(4)),
    roles={"a0.h0": RoleName.INDUCTION, "a0.h1": RoleName.PREVIOUS_TOKEN},
)


def draw(graph: CircuitGraph, draws: int, seed: int = 0) -> tuple[Draws, bool]:
    """All deals together, and whether they are all there are."""
    dealt = relabelled(graph, draws, np.random.default_rng(seed))
    (part,) = dealt.parts
    return part, dealt.exact


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_every_stratum_keeps_its_roles(graph: CircuitGraph) -> None:
    observed, (drawn, _) = role_codes(graph), draw(graph, 10)
    strata = strata_of(graph)
    assert sorted(place for members in strata for place in members) == list(range(len(graph.nodes)))
    for codes in drawn.roles:
        for members in strata:
            assert Counter(codes[members].tolist()) == Counter(observed[members].tolist())


def test_strata_hold_nodes_of_one_kind_depth_effect_and_degree() -> None:
    """Sixteen heads: the first eight have the larger effect, every other one a second edge."""
    effect = [5.0 if head < 8 else 0.1 for head in range(16)]
    graph = graph_of(
        *(f"a0.h{head}->m0={effect[head]}" for head in range(16)),
        *(f"a0.h{head}->m1=0" for head in range(0, 16, 2)),
        "a3.h0->logits=5",
    )
    names = {frozenset(graph.nodes[i].name for i in members) for members in strata_of(graph)}
    starts = [(0, 8), (1, 8), (8, 16), (9, 16)]
    heads = {frozenset(f"a0.h{head}" for head in range(a, b, 2)) for a, b in starts}
    assert names == heads | {frozenset([name]) for name in ("a3.h0", "logits", "m0", "m1")}


def test_measured_effects_take_the_place_of_scores() -> None:
    graph = graph_of(*(f"a0.h{head}->m1=0.5" for head in range(8)))
    effects = {f"a0.h{head}": (-1.0) ** head * (3.0 if head < 4 else 1.0) for head in range(8)}
    names = [sorted(graph.nodes[i].name for i in members) for members in strata_of(graph, effects)]
    assert [f"a0.h{head}" for head in range(4)] in names


def test_small_spaces_are_listed_whole() -> None:
    drawn, exact = draw(ALIKE, 12)
    assert exact
    assert len(set(drawn.marks(of_roles=True))) == drawn.n_draws == 12


def test_large_spaces_are_drawn_from_evenly() -> None:
    assert not draw(ALIKE, 11)[1]
    places = [ALIKE.index[f"a0.h{head}"] for head in range(4)]
    induction = role_sets(ALIKE).index(frozenset([RoleName.INDUCTION]))
    many = [draw(ALIKE, 11, seed)[0].roles[:, places] == induction for seed in range(100)]
    shares = np.concatenate(many).mean(axis=0)
    assert np.abs(shares - 0.25).max() < 0.06  # 4.6 standard deviations


def test_roles_that_go_together_stay_together() -> None:
    both = frozenset([RoleName.INDUCTION, RoleName.PREVIOUS_TOKEN])
    nodes = [replace(n, roles=both) if n.name == "a0.h0" else n for n in ALIKE.nodes]
    drawn, exact = draw(CircuitGraph.build(nodes, ALIKE.edges), 12)
    assert exact
    for place in range(drawn.n_draws):
        roles = [each.roles for each in graph_in(drawn, place).nodes if each.roles]
        assert sorted(roles, key=len) == [frozenset([RoleName.PREVIOUS_TOKEN]), both]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=6))
def test_deals_are_the_distinct_orders(codes: list[int]) -> None:
    assert list(_deals(codes)) == sorted(set(permutations(codes)))


def test_a_thousand_nodes_alike_are_dealt_one_role() -> None:
    """As many deals as draws, each as long as the stratum: a recursion ends in one of this size."""
    heads = [f"a0.h{head}" for head in range(998)]
    graph = graph_of(*(f"{name}->m1" for name in heads), roles={"a0.h7": RoleName.INDUCTION})
    drawn, exact = draw(graph, 1000)
    assert exact
    assert len(set(drawn.marks(of_roles=True))) == drawn.n_draws == 998


def test_deals_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabelling, "_CELLS", 2 * len(ALIKE.nodes))
    parts = list(relabelled(ALIKE, 11, np.random.default_rng(0)).parts)
    assert [part.n_draws for part in parts] == [2, 2, 2, 2, 2, 1]


@settings(max_examples=100, deadline=None)
@given(CASES, st.integers(0, 99))
def test_counts_are_the_matchers(case: tuple[CircuitGraph, Motif], seed: int) -> None:
    graph, motif = case
    drawn, _ = draw(graph, 4, seed)
    expected = [len(bindings(graph_in(drawn, each), motif)) for each in range(drawn.n_draws)]
    assert count_occurrences(drawn, motif).tolist() == expected
