"""A circuit that is stored in parts is seen whole, or by nobody."""

from __future__ import annotations

from typing import Any

import pytest

from graph_schema.documents import CircuitDocument
from graph_schema.errors import NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records import circuit_drafts, circuit_edges
from graph_schema.store.records.circuit_drafts import (
    parts_of,
    write_found,
)
from graph_schema.store.records.circuit_edges import removing, stored_nodes
from graph_schema.store.records.circuit_list import list_circuits
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.datasets import write_dataset
from graph_schema.store.user_cypher.run import run_user_query
from tests.factories import (
    INDUCTION_EDGES,
    made_edges,
    make_circuit,
    make_dataset,
    make_edges,
    make_evaluation,
    make_model,
    make_run,
)

MODEL = make_model("made/wide", n_layers=4, n_heads=8)
N_STORED = "MATCH (:CircuitNode)-[e:EDGE]->(:CircuitNode) RETURN count(e) AS n"
LIMITS: dict[str, Any] = {"rows": 100, "seconds": 30.0, "size": 10_000_000}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_drafts, "MOST_EDGES", 50)


def two_circuits(job: str = "job") -> list[CircuitDocument]:
    first = made_edges(120, n_layers=4, n_heads=8)
    return [make_circuit(edges, model=MODEL, job=job) for edges in (first, first[:70])]


def write_parts(store: GraphStore, circuits: list[CircuitDocument]) -> list[int]:
    """How many edges are stored after each part."""
    stored: list[int] = []
    for part in parts_of(circuits, make_run()):
        assert store.write(part.write)
        stored.append(store.rows(N_STORED)[0]["n"])
    return stored


def finish(store: GraphStore, circuits: list[CircuitDocument]) -> None:
    store.write(lambda tx: write_found(tx, circuits, make_run()))


def test_no_part_is_larger_than_a_transaction_may_be(store: GraphStore) -> None:
    stored = write_parts(store, two_circuits())
    assert stored == [0, 50, 100, 120, 120, 170, 190]
    finish(store, two_circuits())
    assert store.rows(N_STORED) == [{"n": 190}]
    for circuit in two_circuits():
        assert read_circuit(store, circuit.circuit_id) == circuit


def test_a_draft_is_seen_by_nobody(store: GraphStore) -> None:
    store.write(lambda tx: write_dataset(tx, make_dataset()))
    circuits = two_circuits()
    write_parts(store, circuits)
    for circuit in circuits:
        with pytest.raises(NotFoundError):
            read_circuit(store, circuit.circuit_id)
    assert list_circuits(store) == ()
    with store.reader() as reader:
        users = "MATCH (c:Circuit)-[:CONTAINS]->(n:CircuitNode) RETURN c.circuit_id, n.name"
        assert run_user_query(reader, users, {}, **LIMITS).rows == ()
    shared = ask(store, "shared-components", {"model": MODEL.fingerprint}, **LIMITS)
    assert shared.rows == ()
    finish(store, circuits)
    assert {each.circuit_id for each in list_circuits(store)} == {c.circuit_id for c in circuits}


def test_an_attempt_goes_on_from_what_another_left(store: GraphStore) -> None:
    before, now = two_circuits(), two_circuits()
    scores = make_edges([(e.sender, e.receiver, e.channel.value, 9.0) for e in now[1].edges])
    now[1] = make_circuit(scores, model=MODEL)
    assert now[1].circuit_id == before[1].circuit_id
    for part in parts_of(before, make_run())[:-1]:
        store.write(part.write)
    write_parts(store, now)
    finish(store, now)
    assert store.rows(N_STORED) == [{"n": 190}]
    assert [read_circuit(store, each.circuit_id) for each in now] == now


def test_a_circuit_that_is_seen_is_measured_anew_in_one_go(store: GraphStore) -> None:
    circuits = two_circuits()
    write_parts(store, circuits)
    finish(store, circuits)
    edges = tuple(edge.model_copy(update={"score": 3.0}) for edge in circuits[0].edges)
    again = make_circuit(edges, model=MODEL, evaluation=make_evaluation(0.25))
    drafts: list[bool] = []
    for part in parts_of([again, circuits[1]], make_run(attempt=2)):
        drafts.append(store.write(part.write))
        assert read_circuit(store, again.circuit_id) == again
    assert not any(drafts)
    finish(store, [again, circuits[1]])
    assert read_circuit(store, again.circuit_id) == again


def test_what_is_small_has_no_parts(store: GraphStore) -> None:
    circuit = make_circuit(INDUCTION_EDGES)
    assert parts_of([circuit], make_run()) == ()
    finish(store, [circuit])
    assert read_circuit(store, circuit.circuit_id) == circuit


def test_nodes_are_removed_in_transactions_of_few_edges(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_edges, "MOST_REMOVED", 40)
    monkeypatch.setattr(circuit_edges, "NODES", 10)
    draft, seen = two_circuits()
    store.write(lambda tx: write_circuit(tx, seen, make_run()))
    write_parts(store, [draft])
    nodes = stored_nodes(store, draft.circuit_id)
    assert set(nodes) == {f"{draft.circuit_id}:{name}" for name in draft.node_names}
    removed: list[int] = []
    for step in removing(nodes):
        done = False
        while not done:
            before = store.rows(N_STORED)[0]["n"]
            done = store.write(step)
            removed.append(before - store.rows(N_STORED)[0]["n"])
    assert max(removed) <= 40
    assert sum(removed) == draft.n_edges
    assert stored_nodes(store, draft.circuit_id) == ()
    assert read_circuit(store, seen.circuit_id) == seen
