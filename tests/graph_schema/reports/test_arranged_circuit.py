"""A drawing with pinned nodes and groups, by hand."""

from __future__ import annotations

import pytest

from graph_schema.documents import PackedEdges
from graph_schema.reports.arranged_circuit import Group, arranged, shown_edges
from graph_schema.reports.circuit_picture import circuit_picture
from graph_schema.reports.drawn_circuit import DrawnCircuit
from tests.factories import make_circuit

EDGES = [
    ("a0.h0", "a1.h0", "q", 5.0, "exact"),
    ("a0.h1", "a1.h0", "q", -3.0, "exact"),
    ("a0.h1", "a1.h0", "k", 2.0, "estimate"),
    ("a1.h0", "logits", "r", 1.0, "estimate"),
    ("input", "a0.h0", "v", 0.5, "estimate"),
    ("input", "logits", "r", None, None),
]


@pytest.fixture
def drawn() -> DrawnCircuit:
    senders, receivers, channels, scores, kinds = zip(*EDGES, strict=True)
    nodes = tuple(dict.fromkeys((*senders, *receivers)))
    none = (None,) * len(EDGES)
    return DrawnCircuit.of(
        PackedEdges(nodes, senders, receivers, channels, scores, kinds, none, none), 2
    )


def _edges(drawn: DrawnCircuit, *given: object) -> list[tuple[object, ...]]:
    found = arranged(drawn, *given)  # type: ignore[arg-type]
    edges = found.drawn.edges
    return list(
        zip(
            edges.senders, edges.receivers, edges.channels, edges.scores, edges.kinds,
            found.counts, strict=True,
        )
    )  # fmt: skip


def test_without_pins_and_groups_the_strongest_edges_are_as_they_were(drawn: DrawnCircuit) -> None:
    assert _edges(drawn, 3) == [(*edge, 1) for edge in EDGES[:3]]


def test_a_pinned_node_stays_and_so_do_the_edges_between_two(drawn: DrawnCircuit) -> None:
    assert shown_edges(drawn, 1, ["input"]) == [0]
    assert shown_edges(drawn, 1, ["input", "a0.h0", "logits"]) == [0, 4, 5]
    found = arranged(drawn, 1, ["input"])
    assert [found.drawn.nodes[i].name for i in found.always] == ["input"]


def test_a_groups_edge_is_the_sum_by_channel_and_measured_where_all_are(
    drawn: DrawnCircuit,
) -> None:
    heads = Group("heads", ("a0.h0", "a0.h1"))
    assert _edges(drawn, 6, (), (heads,)) == [
        ("group-1", "a1.h0", "q", 2.0, "exact", 2),
        ("group-1", "a1.h0", "k", 2.0, "estimate", 1),
        ("a1.h0", "logits", "r", 1.0, "estimate", 1),
        ("input", "group-1", "v", 0.5, "estimate", 1),
        ("input", "logits", "r", None, None, 1),
    ]
    two = (Group("early", ("a0.h0", "a0.h1", "input")), Group("late", ("a1.h0", "logits")))
    assert _edges(drawn, 6, (), two) == [
        ("group-1", "group-2", "q", 2.0, "exact", 2),
        ("group-1", "group-2", "k", 2.0, "estimate", 1),
        ("group-1", "group-2", "r", None, None, 1),
    ]
    mixed = Group("all that a1.h0 reads", ("a0.h0", "a0.h1"))
    assert _edges(drawn, 2, (), (mixed,)) == [("group-1", "a1.h0", "q", 2.0, "exact", 2)]


def test_a_group_stands_where_one_of_its_members_stood(drawn: DrawnCircuit) -> None:
    found = arranged(drawn, 6, (), (Group("both", ("input", "logits", "a0.h1")),))
    place = found.drawn.number["group-1"]
    at = (found.drawn.x[place], found.drawn.y[place])
    assert at == (drawn.x[drawn.number["a0.h1"]], drawn.y[drawn.number["a0.h1"]])
    assert found.always == (place,)


def test_a_picture_has_a_group_once_and_its_name_as_text(drawn: DrawnCircuit) -> None:
    name = "<script>alert(1)</script>"
    svg = circuit_picture(
        drawn, make_circuit(), 2, pins=["input"], groups=[Group(name, ("a0.h0", "a0.h1"))]
    )
    assert "<script" not in svg
    assert svg.count("<path") == 1
    assert "the sum of 2 edges" in svg
    assert ">input<" in svg
    assert ">a0.h0<" not in svg
