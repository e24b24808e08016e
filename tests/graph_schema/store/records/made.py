"""What the tests of records share: circuits and models stored, and writing twice."""

from __future__ import annotations

from collections.abc import Callable

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, Occurrence
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.motifs import write_motif
from tests.factories import make_circuit
from tests.findings import FOUR
from tests.graph_schema.store.records.test_circuits import COUNTS

INDUCTION = find_motif("induction")


def twice(store: GraphStore, work: Callable[[Transaction], None]) -> None:
    store.write(work)
    once = store.rows(COUNTS)
    store.write(work)
    assert store.rows(COUNTS) == once


def store_circuit(store: GraphStore, **changes: object) -> CircuitDocument:
    circuit = make_circuit(**changes)  # type: ignore[arg-type]
    store.write(lambda tx: write_circuit(tx, circuit))
    return circuit


def store_models(store: GraphStore) -> None:
    for model, _ in FOUR:
        store_circuit(store, model=model, job=model.name)
    store.write(lambda tx: write_motif(tx, INDUCTION))


def occurrence(circuit_id: str, previous: str) -> Occurrence:
    binds = {"previous": previous, "induction": "a1.h2", "out": "logits"}
    return Occurrence(motif_id=INDUCTION.motif_id, circuit_id=circuit_id, binds=binds)
