"""Graph values in a table read as Cypher draws them."""

from __future__ import annotations

import json

import pytest

from graph_schema.reports import cell, table
from graph_schema.reports.graph_values import graph_text
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.user_cypher.run import run_user_query
from tests.factories import make_circuit, make_run

NODE = {"id": "1", "labels": ["CircuitNode"], "properties": {"name": "a0.h1", "depth": 0.25}}
OTHER = {"id": "2", "labels": ["CircuitNode"], "properties": {"name": "a1.h2"}}
LINK = {
    "id": "9",
    "type": "EDGE",
    "start": "1",
    "end": "2",
    "properties": {"channel": "k", "score": 1.5},
}


def test_a_node_shows_its_label_and_what_tells_it_apart() -> None:
    assert cell(NODE) == '(:CircuitNode {name: "a0.h1"})'


def test_a_node_without_a_telling_property_shows_all() -> None:
    assert cell({**NODE, "properties": {"b": 1, "a": 2.0}}) == "(:CircuitNode {a: 2, b: 1})"
    assert cell({**NODE, "properties": {}}) == "(:CircuitNode)"


def test_a_path_shows_the_direction_of_each_step() -> None:
    assert cell({"nodes": [NODE, OTHER], "relationships": [LINK]}) == (
        '(:CircuitNode {name: "a0.h1"})-[:EDGE {channel: "k", score: 1.5}]->'
        '(:CircuitNode {name: "a1.h2"})'
    )
    backwards = cell({"nodes": [OTHER, NODE], "relationships": [LINK]})
    assert '"a1.h2"})<-[:EDGE' in backwards


def test_a_list_of_nodes_is_a_list() -> None:
    assert cell([NODE, OTHER]) == '(:CircuitNode {name: "a0.h1"}), (:CircuitNode {name: "a1.h2"})'


def test_a_map_of_the_users_own_stays_json() -> None:
    assert graph_text({"id": 1, "labels": []}) is None
    assert cell({"id": 1}) == '{"id": 1}'


def test_an_answer_of_a_real_server_is_readable(store: GraphStore) -> None:
    store.write(lambda tx: write_circuit(tx, make_circuit(), make_run()))
    text = "MATCH p = (a {name: 'a0.h1'})-[e:EDGE]->(b) RETURN a, e, p"
    found = run_user_query(store, text)
    shown = table(found.columns, found.rows)
    assert '(:CircuitNode {name: "a0.h1"})' in shown
    assert '[:EDGE {channel: "k", score: 1.5}]' in shown
    assert "node_id" not in shown


@pytest.mark.parametrize(
    "value",
    [
        {"id": "1", "labels": 5, "properties": {}},
        {"id": "1", "labels": [5], "properties": {}},
        {"id": "1", "labels": ["A"], "properties": 3},
        {"id": [1], "labels": ["A"], "properties": {}},
        {**LINK, "type": 1},
        {**LINK, "start": [1]},
        {"nodes": 1, "relationships": 2},
        {"nodes": [NODE], "relationships": [2]},
    ],
)
def test_a_map_with_the_keys_of_a_graph_value_may_hold_anything(value: object) -> None:
    assert graph_text(value) is None
    assert cell(value) == json.dumps(value)
