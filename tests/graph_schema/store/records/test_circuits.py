"""Circuits come back from both servers exactly as they were written."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neo4j import Transaction

from graph_schema.documents import CircuitDocument
from graph_schema.errors import NotFoundError, SpecError, StoreError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import circuits as records
from graph_schema.store.records.circuit_list import CircuitFilter, list_circuits
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.datasets import read_dataset, write_dataset
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

COUNTS = """
MATCH (n) WHERE NOT n:Schema WITH count(n) AS nodes
OPTIONAL MATCH ()-[r]->() RETURN nodes, count(r) AS relationships
"""


def _write(store: GraphStore, *circuits: CircuitDocument) -> None:
    for circuit in circuits:
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit, make_run()))


def test_a_circuit_survives_the_round_trip(store: GraphStore) -> None:
    circuit = make_circuit()
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id) == circuit


def test_a_circuit_without_edges_survives_the_round_trip(store: GraphStore) -> None:
    circuit = make_circuit((), notes=("threshold keeps nothing",))
    _write(store, circuit)
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id) == circuit


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    scores=st.lists(
        st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12, unique=True
    )
)
def test_scores_come_back_bit_for_bit(store: GraphStore, scores: list[float]) -> None:
    circuit = make_circuit(
        make_edges([("input", f"a1.h{i}", "q", score) for i, score in enumerate(scores)]),
        model=make_model("made/wide", n_heads=12),
        job=repr(scores),
    )
    _write(store, circuit)
    found = read_circuit(store, circuit.circuit_id)
    kept = [edge.score for edge in found.edges if edge.score is not None]
    assert [score.hex() for score in kept] == [score.hex() for score in scores]


def test_writing_twice_equals_writing_once(store: GraphStore) -> None:
    store.write(lambda tx: write_dataset(tx, make_dataset()))
    _write(store, make_circuit())
    once = store.rows(COUNTS)
    _write(store, make_circuit())
    assert store.rows(COUNTS) == once


def test_writing_again_updates_what_was_measured_and_keeps_annotations(store: GraphStore) -> None:
    _write(store, make_circuit())
    store.write(
        lambda tx: tx.run(
            "MATCH (n:CircuitNode {name: 'a1.h2'}) "
            "CREATE (:Annotation {author: 'me', text: 'odd'})-[:ON]->(n)"
        ).consume()
    )
    edges = tuple(
        edge.model_copy(update={"score": 2 * (edge.score or 0.0), "stability": 0.5})
        for edge in INDUCTION_EDGES
    )
    again = make_circuit(edges, evaluation=make_evaluation(0.5))
    assert again.circuit_id == make_circuit().circuit_id
    _write(store, again)
    assert read_circuit(store, again.circuit_id) == again
    assert store.rows("MATCH (:Annotation)-[:ON]->(n) RETURN n.name AS name") == [{"name": "a1.h2"}]
    assert store.rows("MATCH (c:Circuit) RETURN c.faithfulness AS f") == [{"f": 0.5}]


def test_eight_writers_of_one_circuit_leave_one(store: GraphStore) -> None:
    circuit = make_circuit()
    threads = [threading.Thread(target=_write, args=(store, circuit)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_circuit(store, circuit.circuit_id) == circuit
    edges = "MATCH (:CircuitNode)-[e:EDGE]->() RETURN count(e) AS n"
    assert store.rows(edges) == [{"n": len(circuit.edges)}]


def test_a_circuit_that_is_removed_after_it_was_found_is_not_there(
    embedded_store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(tx: Transaction, prefix: str) -> str:
        return 32 * "ab"

    monkeypatch.setattr(records, "resolve_circuit", resolve)
    with pytest.raises(NotFoundError, match="abababababab is not stored any more"):
        read_circuit(embedded_store, "abab")


def test_writers_of_different_circuits_of_one_model_lose_none(store: GraphStore) -> None:
    """All meet on the model, its family, the task and the components, none of which is there."""
    circuits = [make_circuit(job=f"job {number}") for number in range(12)]
    threads = [
        threading.Thread(target=_write, args=(store, *circuits[number::6])) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read_circuit(store, circuit.circuit_id) for circuit in circuits] == circuits
    links = (
        "MATCH (c:Circuit)-[:OF_MODEL]->(:Model)-[:IN_FAMILY]->(:ModelFamily) RETURN count(c) AS n"
    )
    assert store.rows(links) == [{"n": 12}]


def test_the_graph_is_laid_out_as_designed(store: GraphStore) -> None:
    store.write(lambda tx: write_dataset(tx, make_dataset()))
    _write(store, make_circuit(), make_circuit(INDUCTION_EDGES[:5], job="another"))
    types = """
    MATCH (a)-[r]->(b) RETURN DISTINCT labels(a)[0] AS a, type(r) AS r, labels(b)[0] AS b
    ORDER BY a, r, b
    """
    assert [tuple(row.values()) for row in store.rows(types)] == [
        ("Circuit", "CONTAINS", "CircuitNode"),
        ("Circuit", "DISCOVERED_ON", "Dataset"),
        ("Circuit", "EVALUATED_ON", "Dataset"),
        ("Circuit", "FOR_TASK", "Task"),
        ("Circuit", "HAS_DOCUMENT", "CircuitDocument"),
        ("Circuit", "OF_MODEL", "Model"),
        ("CircuitNode", "EDGE", "CircuitNode"),
        ("CircuitNode", "OF", "Component"),
        ("Dataset", "INSTANCE_OF", "Task"),
        ("Model", "HAS", "Component"),
        ("Model", "IN_FAMILY", "ModelFamily"),
        ("Run", "PRODUCED", "Circuit"),
    ]
    shared = "MATCH (p:Component {name: 'a1.h2'})<-[:OF]-(n) RETURN count(n) AS n"
    assert store.rows(shared) == [{"n": 2}]
    node = "MATCH (n:CircuitNode {name: 'a0.h1'}) RETURN n.kind AS kind, n.depth AS d, n.head AS h"
    assert store.rows(node)[0] == {"kind": "head", "d": 0.25, "h": 1}


def test_a_prefix_finds_its_circuit(store: GraphStore) -> None:
    circuit = make_circuit()
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id[:6]) == circuit


def test_an_ambiguous_prefix_names_the_circuits(store: GraphStore) -> None:
    pair = [
        make_circuit(job=job).model_copy(update={"circuit_id": f"abc{digit}" + "0" * 60})
        for job, digit in (("one", 1), ("two", 2))
    ]
    _write(store, *pair)
    with pytest.raises(NotFoundError, match="'abc' is ambiguous") as caught:
        read_circuit(store, "abc")
    assert all(circuit.circuit_id in str(caught.value) for circuit in pair)


@pytest.mark.parametrize("prefix", ["", "ffff", "' OR 1=1", "%"])
def test_an_unknown_circuit_is_said(embedded_store: GraphStore, prefix: str) -> None:
    _write(embedded_store, make_circuit())
    with pytest.raises(NotFoundError, match=r"circuits list"):
        read_circuit(embedded_store, prefix)


def test_a_job_that_has_the_id_is_said(store: GraphStore) -> None:
    job_id = "ab" * 32
    store.write(
        lambda tx: tx.run("CREATE (:Job {job_id: $id, kind: 'roles'})", id=job_id).consume()
    )
    with pytest.raises(NotFoundError, match=r"a job has it \(roles\): `circuits job abab"):
        read_circuit(store, job_id)
    with pytest.raises(NotFoundError, match=r"circuits list` shows the ids$"):
        read_circuit(store, job_id[:7])


def test_a_torn_circuit_is_never_returned(store: GraphStore) -> None:
    circuit = make_circuit()
    _write(store, circuit)
    store.write(
        lambda tx: tx.run("MATCH ()-[e:EDGE]->(:CircuitNode {name: 'm0'}) DELETE e").consume()
    )
    with pytest.raises(StoreError, match="manifest says 7 edges, 6 are stored"):
        read_circuit(store, circuit.circuit_id)


def test_writing_a_torn_circuit_again_mends_it(store: GraphStore) -> None:
    circuit = make_circuit()
    _write(store, circuit)
    store.write(lambda tx: tx.run("MATCH (n:CircuitNode {name: 'm0'}) DETACH DELETE n").consume())
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id) == circuit


def test_an_unknown_component_writes_nothing(store: GraphStore) -> None:
    [edge] = make_edges([("input", "m1", "r", 1.0)])
    nonsense = edge.model_copy(update={"receiver": "b7"})  # which nothing checks
    circuit = make_circuit((edge,)).model_copy(update={"edges": (nonsense,)})
    with pytest.raises(SpecError, match="b7"):
        _write(store, circuit)
    assert store.rows("MATCH (c:Circuit) RETURN count(c) AS n") == [{"n": 0}]


def test_circuits_are_listed_by_what_describes_them(store: GraphStore) -> None:
    other = make_model("made/other", family="llama")
    first = make_circuit()
    second = make_circuit(
        model=other, job="second", task="ioi", task_id="t", evaluation=make_evaluation(0.25)
    )
    _write(store, first)
    _write(store, second)

    def listed(**filters: object) -> list[str]:
        found = list_circuits(store, CircuitFilter.model_validate(filters))
        return [circuit.circuit_id for circuit in found]

    both = {first.circuit_id, second.circuit_id}
    assert set(listed()) == both
    assert listed(task="ioi") == [second.circuit_id]
    assert listed(model="made/tiny") == [first.circuit_id]
    assert listed(model="llama") == [second.circuit_id]
    assert listed(model=other.fingerprint[:10]) == [second.circuit_id]
    assert listed(min_faithfulness=0.5) == [first.circuit_id]
    assert listed(method="exact") == []
    assert set(listed(max_edges=7)) == both
    assert len(listed(limit=1)) == 1


def test_a_large_circuit_fits_the_timeouts(store: GraphStore) -> None:
    model = make_model("made/large", n_layers=12, n_heads=12)
    circuit = make_circuit(made_edges(6_000, n_layers=12, n_heads=12), model=model)
    _write(store, circuit)
    assert read_circuit(store, circuit.circuit_id) == circuit


def test_a_dataset_of_four_mebibytes_survives_the_round_trip(store: GraphStore) -> None:
    dataset = make_dataset("é" * (2 * 2**20 - 100))
    store.write(lambda tx: write_dataset(tx, dataset))
    store.write(lambda tx: write_dataset(tx, dataset))
    assert read_dataset(store, dataset.sha256) == dataset


def test_an_unknown_dataset_is_said(embedded_store: GraphStore) -> None:
    with pytest.raises(NotFoundError, match="no dataset has the hash 'ab'"):
        read_dataset(embedded_store, "ab")


def test_a_dataset_with_the_wrong_hash_is_refused(embedded_store: GraphStore) -> None:
    wrong = make_dataset().model_copy(update={"sha256": "0" * 64})
    with pytest.raises(SpecError, match="build it again"):
        embedded_store.write(lambda tx: write_dataset(tx, wrong))
