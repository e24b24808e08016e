"""A drawing with pinned nodes and groups, by hand."""

from __future__ import annotations

import pytest

from graph_schema.documents import Annotation, PackedEdges
from graph_schema.reports.arranged_circuit import (
    LONGEST_NAME,
    MOST_GROUPS,
    Group,
    arranged,
    shown_edges,
    with_group,
    with_stored,
)
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


def test_groups_of_one_name_are_numbered(drawn: DrawnCircuit) -> None:
    groups = with_group((), ["a0.h0", "a0.h1"], "x" * LONGEST_NAME, drawn)
    groups = with_group(groups, ["a1.h0", "logits"], "x" * LONGEST_NAME, drawn)
    assert [group.name for group in groups] == ["x" * 80, "x" * 75 + " (2)"]
    stored = [_group("two", "input", "a0.h0"), _group("two", "a0.h1", "a0.h0", "logits")]
    assert with_stored((), stored, drawn.number) == (
        Group("two", ("input", "a0.h0")),
        Group("two (2)", ("a0.h1", "logits")),
    )


def test_stored_groups_are_taken_as_far_as_they_fit() -> None:
    nodes = [f"m{i}" for i in range(200)]
    many = [_group(f"{i}", f"m{2 * i}", f"m{2 * i + 1}") for i in range(60)]
    assert len(with_stored((), many, nodes)) == MOST_GROUPS
    short = [_group("x" * 10_000, "m0"), _group("x" * 10_000, "m0", "m1")]
    assert with_stored((), short, nodes) == (Group("x" * LONGEST_NAME, ("m0", "m1")),)


def _group(text: str, *members: str) -> Annotation:
    first, *also = members
    return Annotation(
        circuit_id="0" * 64, component=first, also=tuple(also), author="x", text=text, kind="group"
    )
