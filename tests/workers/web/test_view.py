"""What of a circuit is shown: groups that came with it, whatever they hold."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from graph_schema.documents import Annotation, PackedEdges
from graph_schema.reports.arranged_circuit import LONGEST_NAME
from graph_schema.reports.drawn_circuit import DrawnCircuit
from workers.web.view import View

NODES = ("a0.h0", "a0.h1", "m0")


@pytest.fixture
def drawn() -> DrawnCircuit:
    none = (None, None)
    edges = PackedEdges(
        NODES, ("a0.h0", "a0.h1"), ("m0", "m0"), ("r", "r"), (1.0, 0.5), none, none, none
    )
    return DrawnCircuit.of(edges, 1)


@pytest.mark.parametrize(
    ("text", "also", "shown"),
    [
        ("heads", ("a0.h1",), ["heads"]),
        (" \t ", ("a0.h1",), []),
        (" " * LONGEST_NAME + "heads", ("a0.h1",), ["heads"]),
        ("x" * 100, ("a0.h1",), ["x" * LONGEST_NAME]),
        ("heads", ("a0.h0",), []),
        ("heads", ("a7.h7",), []),
    ],
)
def test_a_stored_group_is_shown_where_it_fits_and_else_left_out(
    drawn: DrawnCircuit, text: str, also: tuple[str, ...], shown: list[str]
) -> None:
    stored = Annotation(
        circuit_id="0" * 64, component="a0.h0", also=also, author="x", text=text, kind="group"
    )
    view = View.of("/circuits/x", QueryParams(""), drawn).with_stored([stored], drawn)
    assert [group.name for group in view.groups] == shown
