"""Circuits drawn into one another: whose each edge is, and how strong beside its own circuit's."""

from __future__ import annotations

from graph_schema.comparing.union import unite
from tests.factories import make_circuit, make_edges

A = make_circuit(make_edges([("input", "a0.h1", "v", 2.0), ("a0.h1", "logits", "r", -4.0)]))
B = make_circuit(make_edges([("input", "a0.h1", "v", 0.1), ("m0", "logits", "r", 0.05)]))
C = make_circuit(make_edges([("input", "a0.h1", "q", 1.0)]))


def test_an_edge_knows_whose_it_is_and_each_ones_score() -> None:
    found = unite([A, B, C], "ABC")
    edges = {edge.name: (edge.which, edge.scores) for edge in found.edges}
    assert edges == {
        "input->a0.h1<v>": ("AB", (2.0, 0.1, None)),
        "a0.h1->logits": ("A", (-4.0, None, None)),
        "m0->logits": ("B", (None, 0.05, None)),
        "input->a0.h1<q>": ("C", (None, None, 1.0)),
    }
    assert found.parts == [("AB", 1), ("A", 1), ("B", 1), ("C", 1)]
    assert found.by_number == [(3, 0), (2, 1), (1, 3)]
    assert found.nodes == {"input": "ABC", "a0.h1": "ABC", "logits": "AB", "m0": "B"}


def test_strength_is_beside_the_circuits_own_largest_score() -> None:
    """B scores in other units: its strongest edge is as strong as A's."""
    strength = {edge.name: edge.strength for edge in unite([A, B], "AB").edges}
    assert strength == {"a0.h1->logits": 1.0, "input->a0.h1<v>": 1.0, "m0->logits": 0.5}


def test_circuits_without_edges_or_scores_are_drawn_too() -> None:
    bare = make_circuit(
        tuple(edge.model_copy(update={"score": None, "score_kind": None}) for edge in C.edges)
    )
    found = unite([bare, make_circuit((), job="none")], "AB")
    assert [(edge.which, edge.scores, edge.strength) for edge in found.edges] == [
        ("A", (None, None), 0.0)
    ]
    assert len(found.packed) == 1
