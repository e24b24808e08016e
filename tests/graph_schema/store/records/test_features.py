"""What units are, in the graph: on components, searched in Cypher, replaced with their dataset."""

from __future__ import annotations

from typing import Any, LiteralString

import pytest

from graph_schema.documents import (
    Annotation,
    CircuitDocument,
    sha256_hex,
)
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.annotations import (
    read_annotations,
    write_annotation,
    write_labels,
)
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.features import read_features, write_features
from tests.feature_circuits import described, feature_circuit, traced_circuit
from tests.graph_schema.store.records.made import twice

BY_TOKEN: LiteralString = """
MATCH (c:Circuit)-[:CONTAINS]->(:CircuitNode)-[:OF]->(p:Component)
WHERE $token IN p.promotes AND p.density < 0.5
RETURN DISTINCT p.name AS name, p.detection AS detection, p.examples AS examples,
       p.described_on AS data
ORDER BY name
"""


def label(circuit: CircuitDocument, name: str, text: str, **changes: Any) -> Annotation:
    fields: dict[str, Any] = {"author": "ada", "kind": "label"}
    return Annotation(
        circuit_id=circuit.circuit_id, component=name, text=text, **{**fields, **changes}
    )


@pytest.fixture
def circuit(store: GraphStore) -> CircuitDocument:
    made = feature_circuit()
    store.write(lambda tx: write_circuit(tx, made))
    return made


def test_descriptions_are_searched_by_what_they_say(
    store: GraphStore, circuit: CircuitDocument
) -> None:
    units = [described("m0.f17"), described("m1.n40", " John"), described("m0.f63")]
    twice(store, lambda tx: write_features(tx, circuit, units))
    (found,) = store.rows(BY_TOKEN, token=" Mary")
    assert found == {
        "name": "m0.f17",
        "detection": 0.75,
        "examples": [f"…{'x' * 56} and« Mary» went"],
        "data": sha256_hex("one"),
    }
    first, second = read_features(store, circuit.circuit_id)
    assert (first.name, second.name) == ("m0.f17", "m1.n40")
    assert second.promotes == (" John",)
    assert second.suppresses == (" it",)
    assert second.detection_activation is None
    assert second.label is None
    assert read_circuit(store, circuit.circuit_id) == circuit


def test_a_description_on_other_data_replaces_the_one_before(
    store: GraphStore, circuit: CircuitDocument
) -> None:
    for data, word in (("one", " Mary"), ("two", " Paris")):
        again = [described("m0.f17", word, data, detection=())]
        store.write(lambda tx, again=again: write_features(tx, circuit, again))
    (found,) = read_features(store, circuit.circuit_id)
    assert found.described_on == sha256_hex("two")
    assert found.promotes == (" Paris",)
    assert found.detection is None


def test_one_feature_of_two_dictionaries_is_described_twice(
    store: GraphStore, circuit: CircuitDocument
) -> None:
    other = feature_circuit("other", "two")
    store.write(lambda tx: write_circuit(tx, other))
    store.write(lambda tx: write_features(tx, circuit, [described("m0.f17", " one")]))
    store.write(lambda tx: write_features(tx, other, [described("m0.f17", " two")]))
    promoted = [read_features(store, each.circuit_id)[0].promotes for each in (circuit, other)]
    assert promoted == [(" one",), (" two",)]


def test_nodes_at_positions_share_their_unit_s_description(store: GraphStore) -> None:
    traced = traced_circuit()
    store.write(lambda tx: write_circuit(tx, traced))
    store.write(lambda tx: write_features(tx, traced, [described("m0.f17")]))
    assert [each.name for each in read_features(store, traced.circuit_id)] == ["m0.f17"]


def test_a_dictionary_s_label_gives_way_to_a_person_s(
    store: GraphStore, circuit: CircuitDocument
) -> None:
    own = [described("m0.f17", label="its authors' words")]
    store.write(lambda tx: write_features(tx, circuit, own))
    assert read_features(store, circuit.circuit_id)[0].label == "its authors' words"
    store.write(lambda tx: write_labels(tx, [label(circuit, "m0.f17", "names")]))
    store.write(lambda tx: write_features(tx, circuit, own))
    assert read_features(store, circuit.circuit_id)[0].label == "names"


def test_the_newest_label_is_what_a_node_is_called(
    store: GraphStore, circuit: CircuitDocument
) -> None:
    for text in ("names", "places", "names"):
        labels = [label(circuit, "m0.f17", text), label(circuit, "m1.n40", text, score=0.5)]
        twice(store, lambda tx, labels=labels: write_labels(tx, labels))
    store.write(lambda tx: write_circuit(tx, circuit))  # a new run
    found = read_circuit(store, circuit.circuit_id)
    assert {node.name: node.label for node in found.nodes} == {"m0.f17": "names", "m1.n40": "names"}
    remarks = read_annotations(store, circuit.circuit_id)
    assert len(remarks) == 4
    newest = max(remarks, key=lambda each: (each.component == "m0.f17", each.at or 0))
    assert newest.text == "names"
    assert {each.score for each in remarks if each.component == "m1.n40"} == {0.5}


def test_a_head_s_label_stays_in_its_circuit(store: GraphStore, circuit: CircuitDocument) -> None:
    store.write(lambda tx: write_annotation(tx, label(circuit, "a1.h2", "induction")))
    heads = "MATCH (p:Component {name: 'a1.h2'}) RETURN p.label AS label"
    assert store.rows(heads) == [{"label": None}]
    assert {n.name: n.label for n in read_circuit(store, circuit.circuit_id).nodes}[
        "a1.h2"
    ] == "induction"


def test_labels_of_nothing_are_refused_before_any_is_written(
    store: GraphStore, circuit: CircuitDocument
) -> None:
    good, missing = label(circuit, "m0.f17", "names"), label(circuit, "m0.f18", "names")
    with pytest.raises(NotFoundError, match=r"m0\.f18"):
        store.write(lambda tx: write_labels(tx, [good, missing]))
    for other in (
        label(circuit, "m0.f17", "x", kind="note"),
        label(circuit, "m0.f17", "x", also=("m1.n40",)),
    ):
        with pytest.raises(SpecError, match="no label of one node"):
            store.write(lambda tx, other=other: write_labels(tx, [other]))
    assert read_annotations(store, circuit.circuit_id) == ()
