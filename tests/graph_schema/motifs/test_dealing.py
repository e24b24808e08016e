"""Every pattern of a circuit is found, and counted as the matcher counts, in every deal."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_schema.documents import ComponentKind, RoleName
from graph_schema.motifs import CircuitGraph, bindings
from graph_schema.motifs.counting import count_all
from graph_schema.motifs.dealing import ModelCounts, dealt_counts, joined, places_of
from graph_schema.motifs.patterns import Pattern, as_motif, pattern_of, shaped
from graph_schema.motifs.places import TooManyError
from graph_schema.motifs.relabelling import relabelled
from tests.graph_schema.motifs.made import graph_of, graphs

PREVIOUS, INDUCTION = RoleName.PREVIOUS_TOKEN, RoleName.INDUCTION


def without_role(graph: CircuitGraph) -> CircuitGraph:
    """The graph, its logits without the role that made graphs give to any node."""
    nodes = (
        replace(node, roles=frozenset()) if node.kind is ComponentKind.LOGITS else node
        for node in graph.nodes
    )
    return CircuitGraph.build(nodes, graph.edges)


CIRCUITS = graphs().map(without_role)


def counted(*circuits: CircuitGraph, draws: int = 6, seed: int = 0) -> ModelCounts:
    where = places_of(circuits, max_nodes=4, limit=100_000)
    return dealt_counts(circuits, where, draws=draws, rng=np.random.default_rng(seed), limit=10**6)


def by_hand(graph: CircuitGraph) -> Counter[Pattern]:
    """Every set of nodes, every choice of edges, every choice of roles."""
    logits = [node for node in graph.nodes if node.kind is ComponentKind.LOGITS]
    able = [node for node in graph.nodes if node.roles and node not in logits]
    found: Counter[Pattern] = Counter()
    for size in (2, 3, 4):
        for members in combinations([*able, *logits], size):
            at = {node.name: place for place, node in enumerate(members)}
            pairs = [ends for ends in graph.between if set(ends) <= set(at)]
            options = [[None, *graph.between[ends]] for ends in pairs]
            has_logits = members[-1] in logits
            for choice in product(*options):
                edges = [edge for edge in choice if edge is not None]
                wires = sorted((at[e.sender], at[e.receiver], e.channel) for e in edges)
                groups = [{place} for place in range(size)]
                for one, two, _ in wires:
                    near = [group for group in groups if one in group or two in group]
                    groups = [g for g in groups if g not in near] + [set[int]().union(*near)]
                if len(groups) > 1:
                    continue
                shape, order = shaped(size, has_logits, tuple(wires))
                ordered = [members[order[place]].roles for place in range(shape.n_roles)]
                found.update(pattern_of(shape, roles) for roles in product(*ordered))
    return found


@settings(max_examples=60, deadline=None)
@given(CIRCUITS)
def test_patterns_and_counts_are_those_found_by_hand(graph: CircuitGraph) -> None:
    found = {key: each.observed for key, each in counted(graph).patterns.items() if each.observed}
    assert found == dict(by_hand(graph))
    for pattern, observed in list(found.items())[:30]:
        assert len(bindings(graph, as_motif(pattern))) == observed


@settings(max_examples=40, deadline=None)
@given(CIRCUITS, st.integers(0, 99))
def test_deals_are_counted_as_the_counters_do(graph: CircuitGraph, seed: int) -> None:
    counts = counted(graph, seed=seed)
    patterns = list(counts.patterns)[:30]
    if not patterns:
        return
    motifs = [as_motif(pattern) for pattern in patterns]
    dealt = relabelled(graph, 6, np.random.default_rng(seed))
    table = np.concatenate([count_all(part, motifs) for part in dealt.parts], axis=1)
    for pattern, row in zip(patterns, table, strict=True):
        found = counts.patterns[pattern]
        members = row if dealt.exact else np.array([found.observed, *row])
        assert found.p == (members >= found.observed).mean()
        assert found.least_p == (members == members.max()).mean()
        assert found.mean == pytest.approx(members.mean())
        assert found.varies == (len(set(members.tolist())) > 1)


def test_a_component_is_dealt_one_role_for_all_its_circuits() -> None:
    """Four heads alike, the same two edges in two circuits: counts double, p stays."""
    edges = ["a0.h0->a1.h0<k>", "a0.h1->a1.h1<q>", "a0.h2->a1.h1<q>", "a0.h3->a1.h1<q>"]
    roles = {"a0.h0": PREVIOUS, "a1.h0": INDUCTION, "a1.h1": INDUCTION}
    graph = graph_of(*edges, roles=roles)
    one, two = counted(graph, draws=50), counted(graph, graph, draws=50)
    assert one.exact
    assert one.patterns.keys() == two.patterns.keys()
    for pattern, found in one.patterns.items():
        doubled = two.patterns[pattern]
        assert (doubled.observed, doubled.p) == (2 * found.observed, found.p)
    by_keys = next(each for each in one.patterns if each.shape.wires[0][2] == "k")
    assert one.patterns[by_keys].p == 0.25


def test_circuits_are_joined_with_all_their_edges() -> None:
    first = graph_of("a0.h0->a1.h0<k>=1", roles={"a0.h0": PREVIOUS})
    second = graph_of("a0.h0->a1.h0<k>=3", "a1.h0->logits=1", roles={"a1.h0": INDUCTION})
    union = joined([first, second])
    assert [(e.sender, e.receiver, e.score) for e in union.edges] == [
        ("a0.h0", "a1.h0", 2.0),
        ("a1.h0", "logits", 1.0),
    ]
    assert [sorted(node.roles) for node in union.nodes] == [[PREVIOUS], [INDUCTION], []]


def test_more_places_than_can_be_held_are_refused() -> None:
    graph = graph_of(*(f"a0.h{i}->a1.h{j}<q>" for i in range(4) for j in range(4)))
    graph = CircuitGraph.build(
        [replace(node, roles=frozenset([INDUCTION])) for node in graph.nodes], graph.edges
    )
    with pytest.raises(TooManyError):
        places_of([graph], max_nodes=4, limit=100)
