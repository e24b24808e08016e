"""Evaluations of stored circuits: kept apart, and an imported circuit's first is its headline."""

from __future__ import annotations

import pytest

from graph_schema.documents import CircuitDocument, CircuitEvaluation
from graph_schema.errors import NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuit_list import list_circuits
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.datasets import write_dataset
from graph_schema.store.records.evaluations import (
    read_evaluation,
    read_evaluations,
    write_evaluation,
)
from graph_schema.store.records.models import stored_model
from tests.factories import (
    make_circuit,
    make_circuit_evaluation,
    make_dataset,
    make_imported,
    make_run,
)


def _write(store: GraphStore, *things: CircuitDocument | CircuitEvaluation) -> None:
    store.write(lambda tx: write_dataset(tx, make_dataset()))
    for thing in things:
        if isinstance(thing, CircuitDocument):
            store.write(lambda tx, it=thing: write_circuit(tx, it))
        else:
            run = make_run(job=thing.evaluation_id)
            store.write(lambda tx, it=thing, run=run: write_evaluation(tx, it, run))


def test_an_evaluation_says_what_the_weights_of_its_model_are(store: GraphStore) -> None:
    """An import loads nothing; and a folder of the same weights is known from then on."""
    circuit = make_imported()
    _write(store, circuit)
    own = circuit.model.model_copy(update={"weights_sha256": "1" * 64})
    copy = own.model_copy(update={"fingerprint": "c" * 64, "name": "copy"})
    for number, model in enumerate((own.model_copy(update={"name": "moved"}), copy)):
        found = make_circuit_evaluation(circuit, str(number))
        for _ in range(2):
            store.write(lambda tx, f=found, m=model: write_evaluation(tx, f, model=m))
    assert read_circuit(store, circuit.circuit_id).model == own
    assert stored_model(store, copy.fingerprint) == copy
    assert store.rows("MATCH (m:Model) RETURN count(m) AS n") == [{"n": 2}]


def test_an_imported_circuit_has_no_figures_until_its_first_evaluation(store: GraphStore) -> None:
    circuit = make_imported()
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id) == circuit
    (line,) = list_circuits(store)
    assert (line.method, line.task, line.faithfulness) == ("imported", None, None)
    first = make_circuit_evaluation(circuit, "first", 0.25)
    second = make_circuit_evaluation(circuit, "second", 0.75)
    _write(store, first, second, first)
    judged = read_circuit(store, circuit.circuit_id)
    assert judged.evaluation == first.evaluation
    assert judged.evaluation_id == first.evaluation_id
    assert (judged.metric, judged.seed, judged.task) == (first.metric, 7, "induction")
    assert judged.edges == circuit.edges
    (line,) = list_circuits(store)
    assert (line.task, line.metric, line.faithfulness) == ("induction", "prob_diff", 0.25)
    assert read_evaluations(store, circuit.circuit_id) == (first, second)
    counted = store.rows(
        "MATCH (r:Run)-[:MEASURED]->(e:Evaluation)-[:JUDGES]->(c:Circuit)-[:FOR_TASK]->(t:Task) "
        "MATCH (c)-[:EVALUATED_ON]->(d:Dataset)<-[:JUDGED_ON]-(e) "
        "RETURN count(DISTINCT e) AS e, count(DISTINCT r) AS r, count(*) AS n, c.lock AS lock"
    )
    assert counted == [{"e": 2, "r": 2, "n": 2, "lock": None}]


def test_figures_on_another_task_are_no_headline(store: GraphStore) -> None:
    circuit = make_imported(task="ioi", task_id="1" * 64)
    other = make_circuit_evaluation(circuit, "other")
    _write(store, circuit, other)
    found = read_circuit(store, circuit.circuit_id)
    assert (found.evaluation, found.task) == (None, "ioi")
    named_alike = make_circuit_evaluation(circuit, "named", task="ioi", task_id="2" * 64)
    _write(store, named_alike)
    assert read_circuit(store, circuit.circuit_id).evaluation is None
    own = make_circuit_evaluation(circuit, "own", task="ioi", task_id="1" * 64)
    _write(store, own)
    found = read_circuit(store, circuit.circuit_id)
    assert (found.evaluation_id, found.task_id) == (own.evaluation_id, "1" * 64)


def test_a_circuit_of_a_job_keeps_its_own_figures(store: GraphStore) -> None:
    circuit = make_circuit()
    later = make_circuit_evaluation(circuit, "later", 0.5)
    _write(store, circuit, later)
    assert read_circuit(store, circuit.circuit_id) == circuit
    assert read_evaluation(store, later.evaluation_id) == later


def test_what_is_not_stored_cannot_be_judged(embedded_store: GraphStore) -> None:
    with pytest.raises(NotFoundError, match="import it again"):
        _write(embedded_store, make_circuit_evaluation(make_imported("gone")))
    with pytest.raises(NotFoundError, match="beef"):
        read_evaluation(embedded_store, "beef")
