"""Whatever a query answers is a graph or none, and can be drawn: never a failure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_schema.errors import SpecError
from graph_schema.reports.graph_values import NODE, PATH, RELATIONSHIP
from workers.results.rows import Rows
from workers.web.answer_drawing import answer_drawing

COLUMNS = ("sender", "receiver", "channel", "score", "labels", "type")


def _holding(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and maps of such values, often with the keys that nodes and relationships have."""
    keyed = [
        st.fixed_dictionaries(dict.fromkeys(sorted(keys), value))
        for keys in (NODE, RELATIONSHIP, PATH)
    ]
    return st.one_of(st.lists(value, max_size=3), st.dictionaries(st.text(), value), *keyed)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
VALUES = st.recursive(LEAVES, _holding, max_leaves=8)
WORDS = st.sampled_from(["", "a", "b"])
PROPERTIES = st.dictionaries(
    st.sampled_from(["name", "score", "circuit_id", "labels", "type"]), VALUES, max_size=2
)
NODES = st.fixed_dictionaries(
    {
        "id": WORDS,
        "labels": st.lists(st.sampled_from(["Circuit", "Job", "X"]), max_size=2),
        "properties": PROPERTIES,
    }
)
LINKS = st.fixed_dictionaries(
    {
        "id": WORDS,
        "type": WORDS,
        "start": WORDS | st.none(),
        "end": WORDS | st.none(),
        "properties": PROPERTIES,
    }
)
CELLS = VALUES | NODES | LINKS


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=3), st.permutations(COLUMNS))
def test_any_answer_is_told_and_drawn_or_has_no_drawing(
    rows: list[list[Any]], columns: list[str]
) -> None:
    found = Rows(tuple(columns[:3]), tuple(map(tuple, rows)))
    answer_drawing(found)
    assert str(found)


def test_edges_carry_a_channel_of_any_kind() -> None:
    columns = ("sender", "receiver", "channel")
    rows = (("a", "b", ["k", "q"]), ("a", "b", ["k"]), ("a", "b", None), ("a", "b", {"x": 1}))
    graph = Rows(columns, rows).to_networkx()
    assert [carried["channel"] for *_, carried in graph.edges(data=True)] == [r[2] for r in rows]


def test_a_map_that_is_no_node_is_no_graph() -> None:
    found = Rows(("x",), (({"id": "1", "labels": 5, "properties": {}},),))
    with pytest.raises(SpecError, match="holds no graph"):
        found.to_networkx()


def test_a_property_called_labels_hides_no_label() -> None:
    node = {"id": "1", "labels": ["Job"], "properties": {"labels": 5, "job_id": "ab"}}
    drawn = answer_drawing(Rows(("x",), ((node,),)))
    assert drawn is not None
    assert drawn.nodes[0].address == "/jobs/ab"
