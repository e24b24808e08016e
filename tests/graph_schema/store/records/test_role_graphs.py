"""Role graphs in the graph, on both servers."""

from __future__ import annotations

from graph_schema.store.connection import GraphStore
from graph_schema.store.records.role_graphs import read_role_graph, write_role_graph
from tests.findings import role_graph
from tests.graph_schema.store.records.made import twice


def test_a_role_graph_survives_and_is_updated(store: GraphStore) -> None:
    graph = role_graph()
    twice(store, lambda tx: write_role_graph(tx, graph))
    assert read_role_graph(store, graph.role_graph_id) == graph
    again = role_graph(share=0.25)
    twice(store, lambda tx: write_role_graph(tx, again))
    assert read_role_graph(store, graph.role_graph_id) == again
    carried = "MATCH ()-[e:CARRIES {channel: 'k'}]->() RETURN e.share AS s, e.controls AS c"
    assert store.rows(carried) == [{"s": 0.25, "c": ["wrong_position", "v"]}]
