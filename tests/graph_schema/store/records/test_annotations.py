"""Annotations in the graph, on both servers."""

from __future__ import annotations

from graph_schema.store.connection import GraphStore
from graph_schema.store.records.annotations import read_annotations, write_annotation
from tests.findings import annotation
from tests.graph_schema.store.records.made import store_circuit, twice


def test_a_remark_keeps_its_time_and_survives_a_new_run(store: GraphStore) -> None:
    circuit = store_circuit(store)
    remark = annotation(circuit.circuit_id)
    twice(store, lambda tx: write_annotation(tx, remark))
    (stored,) = read_annotations(store, circuit.circuit_id)
    assert stored.at is not None
    assert stored == annotation(circuit.circuit_id, at=stored.at)
    store_circuit(store)
    store.write(lambda tx: write_annotation(tx, remark))
    assert read_annotations(store, circuit.circuit_id) == (stored,)
