"""Imported circuits: one a file, for one model, said anew until they are evaluated."""

from __future__ import annotations

import pytest

from graph_schema.documents import CircuitDocument, DatasetDocument
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.exchange import Exchanged, ExchangeFormat, imported_circuit
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


def test_one_file_is_a_circuit_of_each_model_it_is_imported_for(store: GraphStore) -> None:
    """Edges of a shape fit every model of that shape: those of a training run, of other seeds."""
    models = make_model(), make_model("made/other")
    found = Exchanged(make_circuit().edges, {"input->a0.h1<v>": 0.5})
    circuits = [imported_circuit(found, ExchangeFormat.CSV, b"x", model) for model in models]
    stored = [_import(store, circuit) for circuit in (*circuits, circuits[0])]
    assert stored == [*circuits, circuits[0]]
    assert [each.model for each in stored] == [*models, models[0]]
    assert store.rows("MATCH (c:Circuit) RETURN count(c) AS n") == [{"n": 2}]


def test_edges_without_a_score_are_stored_so(store: GraphStore) -> None:
    nothing = {"score": None, "score_kind": None}
    edges = [edge.model_copy(update=nothing) for edge in make_circuit().edges]
    edges[0] = make_circuit().edges[0]
    circuit = make_imported(edges=tuple(edges))
    assert _import(store, circuit) == _import(store, circuit) == circuit
    counts = "MATCH ()-[e:EDGE]->() RETURN count(e) AS n, count(e.score) AS scored"
    assert store.rows(counts) == [{"n": len(edges), "scored": 1}]


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
