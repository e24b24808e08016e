"""Roles are dealt out anew among nodes that are alike, and counted as the matcher counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import Motif, RoleName
from graph_schema.motifs import CircuitGraph, bindings
from graph_schema.motifs.relabelling import (
    NO_ROLE,
    Relabelled,
    count_relabelled,
    relabelled,
    role_codes,
    strata_of,
)
from tests.graph_schema.motifs.made import CASES, graph_of, graphs

# Four heads of one layer, alike in effect and degree.
ALIKE = graph_of(
    *(f"a0.h{head}->m1=0.5" for head in range(4)),
    roles={"a0.h0": RoleName.INDUCTION, "a0.h1": RoleName.PREVIOUS_TOKEN},
)


def draw(graph: CircuitGraph, draws: int, seed: int = 0) -> Relabelled:
    return relabelled(graph, draws, np.random.default_rng(seed))


def with_roles(graph: CircuitGraph, codes: list[int]) -> CircuitGraph:
    roles = [None if code == NO_ROLE else list(RoleName)[code] for code in codes]
    nodes = [replace(node, role=role) for node, role in zip(graph.nodes, roles, strict=True)]
    return CircuitGraph.build(nodes, graph.edges)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_every_stratum_keeps_its_roles(graph: CircuitGraph) -> None:
    observed, drawn = role_codes(graph), draw(graph, 10)
    assert sorted(place for members in drawn.strata for place in members) == list(
        range(len(graph.nodes))
    )
    for codes in drawn.roles:
        for members in drawn.strata:
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
    drawn = draw(ALIKE, 12)
    assert drawn.exact
    assert drawn.distinct == len({tuple(codes) for codes in drawn.roles.tolist()}) == 12


def test_large_spaces_are_drawn_from_evenly() -> None:
    drawn = draw(ALIKE, 11)
    assert not drawn.exact
    places = [ALIKE.index[f"a0.h{head}"] for head in range(4)]
    induction = list(RoleName).index(RoleName.INDUCTION)
    many = [draw(ALIKE, 11, seed).roles[:, places] == induction for seed in range(100)]
    shares = np.concatenate(many).mean(axis=0)
    assert np.abs(shares - 0.25).max() < 0.06  # 4.6 standard deviations


@settings(max_examples=100, deadline=None)
@given(CASES, st.integers(0, 99))
def test_counts_are_the_matchers(case: tuple[CircuitGraph, Motif], seed: int) -> None:
    graph, motif = case
    drawn = draw(graph, 4, seed)
    expected = [len(bindings(with_roles(graph, codes), motif)) for codes in drawn.roles.tolist()]
    assert count_relabelled(graph, motif, drawn).tolist() == expected
