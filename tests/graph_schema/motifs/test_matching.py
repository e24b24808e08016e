"""The reference matcher against the definition written out, and against rustworkx's VF2."""

from __future__ import annotations

from itertools import permutations, product

import pytest
import rustworkx
from hypothesis import given, settings

from graph_schema.documents import (
    DepthOrder,
    DepthRelation,
    EdgePattern,
    Motif,
    NodePattern,
    RoleName,
    Sign,
)
from graph_schema.motifs import CircuitGraph, GraphEdge, bindings, catalogue, find_motif
from graph_schema.motifs.symmetry import automorphisms
from tests.graph_schema.motifs.made import CASES, KNOWN, KNOWN_COUNTS, graph_of, node

INDUCTION = {"a0.h0": RoleName.PREVIOUS_TOKEN, "a1.h0": RoleName.INDUCTION}


def brute_force(graph: CircuitGraph, motif: Motif) -> set[frozenset[tuple[tuple[str, str], ...]]]:
    """Every injective assignment, tested by the letter; images of each other in one set."""
    variables = motif.variables
    nodes = {n.name: n for n in graph.nodes}
    compare = {
        DepthRelation.BEFORE: lambda a, b: a < b,
        DepthRelation.NOT_AFTER: lambda a, b: a <= b,
        DepthRelation.SAME: lambda a, b: a == b,
    }

    def candidates(pattern: EdgePattern, bound: dict[str, str]) -> list[GraphEdge]:
        wanted = pattern.channels
        return [
            edge
            for edge in graph.edges
            if (edge.sender, edge.receiver) == (bound[pattern.sender], bound[pattern.receiver])
            and (not wanted or edge.channel in wanted)
            and (pattern.sign is not Sign.POSITIVE or edge.score > 0)
            and (pattern.sign is not Sign.NEGATIVE or edge.score < 0)
        ]

    def product_holds(choice: tuple[GraphEdge, ...]) -> bool:
        for rule in motif.signs:
            scores = [choice[place].score for place in rule.edges]
            negative = sum(score < 0 for score in scores) % 2 == 1
            if 0 in scores or negative != (rule.product is Sign.NEGATIVE):
                return False
        return True

    def occurs(bound: dict[str, str]) -> bool:
        if motif.induced:
            named = {(bound[e.sender], bound[e.receiver]) for e in motif.edges}
            inside = set(bound.values())
            for edge in graph.edges:
                ends = {edge.sender, edge.receiver}
                if ends <= inside and (edge.sender, edge.receiver) not in named:
                    return False
        return (
            all(not p.roles or nodes[bound[p.variable]].roles & set(p.roles) for p in motif.nodes)
            and all(not p.kinds or nodes[bound[p.variable]].kind in p.kinds for p in motif.nodes)
            and all(
                compare[o.relation](nodes[bound[o.left]].depth, nodes[bound[o.right]].depth)
                for o in motif.depth
            )
            and any(map(product_holds, product(*(candidates(e, bound) for e in motif.edges))))
        )

    group = automorphisms(motif)
    found: set[frozenset[tuple[tuple[str, str], ...]]] = set()
    for names in permutations(nodes, len(variables)):
        bound = dict(zip(variables, names, strict=True))
        if occurs(bound):
            images = [{v: bound[g[v]] for v in variables} for g in group]
            found.add(frozenset(tuple(sorted(image.items())) for image in images))
    return found


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_matcher_finds_one_binding_of_each_symmetric_set(case: tuple[CircuitGraph, Motif]) -> None:
    graph, motif = case
    expected = brute_force(graph, motif)
    found = [tuple(sorted(bound.items())) for bound in bindings(graph, motif)]
    assert len(found) == len(expected)
    assert all(sum(bound in images for bound in found) == 1 for images in expected)


def vf2(graph: CircuitGraph, motif: Motif) -> list[dict[str, str]]:
    """rustworkx on graphs with one edge a pair, whose payload is the parallel edges."""
    big: rustworkx.PyDiGraph = rustworkx.PyDiGraph()
    big.add_nodes_from(graph.nodes)
    for (sender, receiver), edges in graph.between.items():
        big.add_edge(graph.index[sender], graph.index[receiver], edges)
    small: rustworkx.PyDiGraph = rustworkx.PyDiGraph()
    small.add_nodes_from(motif.nodes)
    places = {variable: place for place, variable in enumerate(motif.variables)}
    for pattern in motif.edges:
        small.add_edge(places[pattern.sender], places[pattern.receiver], pattern)

    def fits(found, pattern) -> bool:
        return (not pattern.roles or bool(found.roles & set(pattern.roles))) and (
            not pattern.kinds or found.kind in pattern.kinds
        )

    def joins(edges, pattern) -> bool:
        if isinstance(edges, EdgePattern):  # rustworkx 0.18 swaps the two for incoming edges
            edges, pattern = pattern, edges
        return any(
            (not pattern.channels or edge.channel in pattern.channels)
            and {Sign.POSITIVE: edge.score > 0, Sign.NEGATIVE: edge.score < 0, None: True}[
                pattern.sign
            ]
            for edge in edges
        )

    mappings = rustworkx.digraph_vf2_mapping(
        big, small, fits, joins, subgraph=True, induced=motif.induced
    )
    return [
        {motif.variables[pattern]: graph.nodes[found].name for found, pattern in mapping.items()}
        for mapping in mappings
    ]


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_matcher_agrees_with_vf2(case: tuple[CircuitGraph, Motif]) -> None:
    """VF2 knows neither depth nor sign rules and counts every image: without those, divided."""
    graph, motif = case
    plain = motif.model_copy(update={"depth": (), "signs": ()})
    found, images = bindings(graph, plain), vf2(graph, plain)
    assert len(images) == len(found) * len(automorphisms(plain))
    assert all(bound in images for bound in found)


def test_known_circuit_has_its_known_occurrences() -> None:
    assert {name: len(bindings(KNOWN, motif)) for name, motif in catalogue().items()} == (
        KNOWN_COUNTS
    )


def test_any_one_edge_of_the_channel_suffices() -> None:
    graph = graph_of("a0.h0->a1.h0<q>", "a0.h0->a1.h0<k>", "a1.h0->logits", roles=INDUCTION)
    expected = [{"previous": "a0.h0", "induction": "a1.h0", "out": "logits"}]
    assert bindings(graph, find_motif("induction")) == expected


def test_the_wrong_channel_does_not_match() -> None:
    graph = graph_of("a0.h0->a1.h0<v>", "a1.h0->logits", roles=INDUCTION)
    assert bindings(graph, find_motif("induction")) == []


def test_parallel_edges_do_not_repeat_an_occurrence() -> None:
    letters = "qkv"
    graph = graph_of(*[f"m0->a1.h0<{c}>" for c in letters], "m0->m1", "m1->logits", "m0->logits")
    assert len(bindings(graph, find_motif("triad_feed_forward"))) == 1


def test_typed_motifs_are_not_induced_and_untyped_triads_are() -> None:
    loop = graph_of("a0.h0->m1", "m1->a2.h0<q>", "a0.h0->a2.h0<k>")
    assert len(bindings(loop, find_motif("mlp_relay"))) == 1
    assert bindings(loop, find_motif("triad_chain")) == []


def test_symmetric_bindings_count_once() -> None:
    graph = graph_of("m0->m2", "m0->m3", "m1->m2", "m1->m3")
    expected = [{"left": "m0", "right": "m1", "one": "m2", "two": "m3"}]
    assert bindings(graph, find_motif("bi_fan")) == expected


def test_parallel_edges_of_both_signs_make_a_loop_coherent_and_incoherent() -> None:
    graph = graph_of("m0->m1", "m1->a2.h0<q>=1", "m1->a2.h0<k>=-1", "m0->a2.h0<v>")
    assert len(bindings(graph, find_motif("coherent_feed_forward_loop"))) == 1
    assert len(bindings(graph, find_motif("incoherent_feed_forward_loop"))) == 1


def test_an_edge_of_zero_score_has_neither_sign() -> None:
    graph = graph_of("m0->m1=0", "m1->m2", "m0->m2")
    assert bindings(graph, find_motif("coherent_feed_forward_loop")) == []
    assert bindings(graph, find_motif("incoherent_feed_forward_loop")) == []


@pytest.mark.parametrize(("relation", "count"), [("<", 1), ("<=", 2), ("=", 1)])
def test_depth_orders_compare_layers(relation: str, count: int) -> None:
    """A layer's heads and MLP stand at the same depth."""
    motif = Motif(
        name="ordered",
        nodes=(NodePattern(variable="a"), NodePattern(variable="b")),
        edges=(EdgePattern(sender="a", receiver="b"),),
        depth=(DepthOrder(left="a", relation=DepthRelation(relation), right="b"),),
    )
    assert len(bindings(graph_of("a0.h0->m0", "m0->m1"), motif)) == count


def test_isolated_nodes_are_harmless() -> None:
    graph = CircuitGraph.build([node("m0"), node("m1")], [])
    assert bindings(graph, find_motif("triad_chain")) == []
