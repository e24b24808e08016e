"""Imported circuits: one a file, for one model, said anew until they are evaluated."""

from __future__ import annotations

import pytest

from graph_schema.documents import CircuitDocument, DatasetDocument
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.evaluations import write_evaluation
from graph_schema.store.records.imports import write_imported
from graph_schema.store.records.models import find_model, stored_model
from tests.factories import (
    make_circuit,
    make_circuit_evaluation,
    make_dataset,
    make_imported,
    make_model,
)

TASKS = "MATCH (:Circuit)-[:FOR_TASK]->(t:Task) RETURN t.name AS name"


def _import(
    store: GraphStore, circuit: CircuitDocument, dataset: DatasetDocument | None = None
) -> CircuitDocument:
    store.write(lambda tx: write_imported(tx, circuit, dataset))
    return read_circuit(store, circuit.circuit_id)


def _for(task: str) -> CircuitDocument:
    return make_imported(task=task, task_id=task[0] * 64)


def test_a_file_is_one_circuit_that_can_be_said_anew_until_it_is_evaluated(
    store: GraphStore,
) -> None:
    plain = make_imported()
    assert _import(store, plain) == _import(store, plain) == plain
    assert _import(store, _for("ioi")) == _for("ioi")
    assert _import(store, _for("sva"), make_dataset()) == _for("sva")
    assert _import(store, plain) == _for("sva")
    assert store.rows(TASKS) == [{"name": "sva"}]
    assert store.rows("MATCH (d:Dataset)-[:INSTANCE_OF]->(t) RETURN t.name AS name") == [
        {"name": "sva"}
    ]
    judged = make_circuit_evaluation(plain, task="sva", task_id="s" * 64)
    store.write(lambda tx: write_evaluation(tx, judged))
    known = read_circuit(store, plain.circuit_id)
    assert _import(store, plain) == _import(store, _for("sva")) == known
    with pytest.raises(
        SpecError, match=r"for task 'sva', and is evaluated on it; .* --dataset FILE"
    ):
        _import(store, _for("ioi"))
    assert read_circuit(store, plain.circuit_id) == known
    assert store.rows("MATCH (c:Circuit) RETURN count(c) AS n, count(c.lock) AS locked") == [
        {"n": 1, "locked": 0}
    ]


def test_a_file_belongs_to_one_model(store: GraphStore) -> None:
    _import(store, make_imported())
    with pytest.raises(SpecError, match=r"a circuit is of one model.* --format eap-ig-pt --out"):
        _import(store, make_imported(model=make_model("made/other")))
    assert store.rows("MATCH (m:Model) RETURN count(m) AS n") == [{"n": 1}]


def test_models_are_found_by_the_start_of_their_fingerprint(embedded_store: GraphStore) -> None:
    model = make_model()
    embedded_store.write(lambda tx: write_circuit(tx, make_circuit()))
    assert find_model(embedded_store, model.fingerprint[:6]) == model
    assert stored_model(embedded_store, model.fingerprint) == model
    assert stored_model(embedded_store, "0" * 64) is None
    with pytest.raises(NotFoundError, match="hub id or folder"):
        find_model(embedded_store, "ffffffff")
    other = make_circuit(model=make_model("made/other"), job="other")
    embedded_store.write(lambda tx: write_circuit(tx, other))
    with pytest.raises(NotFoundError, match="more digits"):
        find_model(embedded_store, "")
