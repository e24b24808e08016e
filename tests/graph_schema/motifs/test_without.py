"""Nodes of some kinds left out of a graph before its motifs are counted."""

from __future__ import annotations

from graph_schema.documents import Channel, ComponentKind
from graph_schema.motifs import CircuitGraph, GraphEdge, catalogue, motif_tests
from tests.graph_schema.exchange.neuronpedia.made import data_of, lorsa_graph
from tests.graph_schema.exchange.neuronpedia.test_round_trips import circuit_of

LOOP = catalogue()["triad_feed_forward"]


def graph() -> CircuitGraph:
    return CircuitGraph.of(circuit_of(data_of(lorsa_graph())))


def test_nodes_leave_with_their_edges_and_no_others() -> None:
    whole = graph()
    left = whole.without([ComponentKind.ERROR])
    gone = {node.name for node in whole.nodes} - {node.name for node in left.nodes}
    assert gone == {"m0.error@1", "m1.error@1", "a1.error@1"}
    assert set(left.edges) == {
        edge for edge in whole.edges if edge.sender not in gone and edge.receiver not in gone
    }
    assert whole.without(()) is whole


def test_a_test_says_what_was_left_out() -> None:
    # A loop that an error takes part in.
    added = GraphEdge("m0.error@1", "m2.f16380@1", Channel.R, 1.0)
    looped = CircuitGraph.build(graph().nodes, (*graph().edges, added))
    kinds = [ComponentKind.REST, ComponentKind.ERROR, ComponentKind.ERROR]
    tests = [motif_tests({"c": looped}, [LOOP], draws=20, without=each) for each in ((), kinds)]
    assert tests[0].without == ()
    assert tests[1].without == (ComponentKind.ERROR, ComponentKind.REST)
    assert tests[0].results[0].observed == tests[1].results[0].observed + 2
    assert tests[0].test_id != tests[1].test_id
    assert "without" not in tests[0].canonical_json()
