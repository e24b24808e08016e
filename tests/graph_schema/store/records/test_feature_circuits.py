"""Circuits of features in the graph: read back exactly, features told apart by dictionary."""

from __future__ import annotations

from typing import LiteralString

from graph_schema.documents import Annotation, CircuitDocument
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.annotations import read_annotations, write_annotation
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.dictionaries import read_dictionaries
from tests.feature_circuits import feature_circuit, traced_circuit
from tests.graph_schema.store.records.made import twice

COMPONENTS: LiteralString = """
MATCH (p:Component {name: 'm0.f17'})-[:FEATURE_OF]->(d:Dictionary)
RETURN d.sha256 AS sha256, d.explained_variance AS explained ORDER BY sha256
"""
POSITIONS: LiteralString = """
MATCH (n:CircuitNode {unit: 'm0.f17'})-[:OF]->(p:Component)
WHERE n.position IS NOT NULL
RETURN n.name AS name, n.position AS position, n.effect AS effect, p.name AS component,
       p.component_id AS id
ORDER BY position
"""


def stored(store: GraphStore, circuit: CircuitDocument) -> CircuitDocument:
    twice(store, lambda tx: write_circuit(tx, circuit))
    return read_circuit(store, circuit.circuit_id)


def test_a_circuit_of_features_is_read_back_exactly(store: GraphStore) -> None:
    circuit = feature_circuit()
    assert stored(store, circuit) == circuit
    found = read_dictionaries(store, circuit.model.fingerprint)
    assert set(found) == set(circuit.dictionaries)


def test_a_feature_of_two_dictionaries_is_two_components(store: GraphStore) -> None:
    one, two = feature_circuit(), feature_circuit("other", "two")
    for circuit in (one, two):
        assert stored(store, circuit) == circuit
    rows = store.rows(COMPONENTS)
    assert [row["sha256"] for row in rows] == sorted(
        str(circuit.dictionaries[0].sha256) for circuit in (one, two)
    )
    assert {row["explained"] for row in rows} == {0.4}
    neurons = "MATCH (p:Component {name: 'm1.n40'}) RETURN count(p) AS n"
    assert store.rows(neurons) == [{"n": 1}]


def test_nodes_at_positions_are_of_one_component(store: GraphStore) -> None:
    circuit = traced_circuit()
    assert stored(store, circuit) == circuit
    rows = store.rows(POSITIONS)
    assert [(row["name"], row["position"]) for row in rows] == [("m0.f17@1", 1), ("m0.f17@2", 2)]
    assert {row["component"] for row in rows} == {"m0.f17"}
    assert len({row["id"] for row in rows}) == 1


def test_figures_of_nodes_are_those_of_the_last_run(store: GraphStore) -> None:
    circuit = feature_circuit()
    stored(store, circuit)
    again = circuit.model_copy(
        update={"nodes": tuple(n.model_copy(update={"effect": 9.0}) for n in circuit.nodes)}
    )
    assert stored(store, again) == again


def test_a_label_is_what_a_node_is_called_and_survives_a_new_run(store: GraphStore) -> None:
    circuit = feature_circuit()
    stored(store, circuit)
    for text, score in (("a person", 0.7), ("a place", 0.9)):
        label = Annotation(
            circuit_id=circuit.circuit_id,
            component="m0.f17",
            author="ada",
            text=text,
            kind="label",
            score=score,
        )
        store.write(lambda tx, label=label: write_annotation(tx, label))
    labels = {node.name: node.label for node in stored(store, circuit).nodes}
    assert labels == {"m0.f17": "a place", "m1.n40": None}
    scores = [found.score for found in read_annotations(store, circuit.circuit_id)]
    assert sorted(scores, key=str) == [0.7, 0.9]


def test_a_group_is_one_annotation_on_several_nodes(store: GraphStore) -> None:
    circuit = feature_circuit()
    stored(store, circuit)
    group = Annotation(
        circuit_id=circuit.circuit_id,
        component="m0.f17",
        also=("m1.n40", "a1.h2"),
        author="ada",
        text="say a name",
        kind="group",
    )
    twice(store, lambda tx: write_annotation(tx, group))
    (found,) = read_annotations(store, circuit.circuit_id)
    assert found == group.model_copy(update={"at": found.at})


def test_a_torn_circuit_is_mended_with_the_figures_of_all_its_nodes(store: GraphStore) -> None:
    circuit = feature_circuit()
    stored(store, circuit)
    lost = "MATCH (n:CircuitNode {name: 'm0.f17'}) DETACH DELETE n"
    store.write(lambda tx: tx.run(lost).consume())
    again = circuit.model_copy(
        update={"nodes": tuple(n.model_copy(update={"effect": 9.0}) for n in circuit.nodes)}
    )
    assert stored(store, again) == again
    effects = "MATCH (n:CircuitNode) WHERE n.effect = 9.0 RETURN count(n) AS n"
    assert store.rows(effects) == [{"n": len(circuit.nodes)}]


def test_nodes_without_figures_have_none(store: GraphStore) -> None:
    stored(store, feature_circuit())
    (row,) = store.rows("MATCH (n:CircuitNode {name: 'a1.h2'}) RETURN properties(n) AS found")
    assert not {"effect", "activation", "token", "probability"} & row["found"].keys()
