"""Tests of motifs as nodes: each is read back whole, and none takes the place of another."""

from __future__ import annotations

import logging

import pytest

from graph_schema.documents import DepthOrder, DepthRelation, MotifState
from graph_schema.errors import NotFoundError
from graph_schema.motifs import find_motif
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.motif_tests import (
    list_motif_tests,
    read_motif_test,
    write_motif_test,
)
from graph_schema.store.records.motifs import read_motifs, write_motif
from tests.factories import make_circuit
from tests.findings import motif_test
from tests.graph_schema.store.records.test_circuits import COUNTS

INDUCTION = find_motif("induction")


def _circuit_id(store: GraphStore, job: str = "one") -> str:
    circuit = make_circuit(job=job)
    store.write(lambda tx: write_circuit(tx, circuit))
    return circuit.circuit_id


def test_a_weaker_test_stands_beside_the_one_before(store: GraphStore) -> None:
    circuit_id = _circuit_id(store)
    called = motif_test(circuit_id)
    (result,) = called.results
    weaker = result.model_copy(update={"q": None, "state": MotifState.UNTESTABLE, "draws": 9})
    untestable = called.model_copy(update={"draws": 9, "results": (weaker,)})
    for test in (called, untestable):
        store.write(lambda tx, test=test: write_motif_test(tx, [INDUCTION], test))
        once = store.rows(COUNTS)
        store.write(lambda tx, test=test: write_motif_test(tx, [INDUCTION], test))
        assert store.rows(COUNTS) == once
    for test in (called, untestable):
        summary, read = read_motif_test(store, test.test_id[:16])
        assert read == test
        assert summary in list_motif_tests(store)
        assert (summary.test_id, summary.alpha, summary.draws) == (test.test_id, 0.05, test.draws)
        assert (summary.family, summary.called) == ((1, 1) if test == called else (0, 0))
    other = _circuit_id(store, "other")
    assert {each.test_id for each in list_motif_tests(store, circuit_id)} == {
        called.test_id,
        untestable.test_id,
    }
    assert list_motif_tests(store, other) == ()


def test_a_result_whose_roles_have_changed_is_told(store: GraphStore) -> None:
    test = motif_test(_circuit_id(store))
    store.write(lambda tx: write_motif_test(tx, [INDUCTION], test))
    assert read_motif_test(store, test.test_id)[0].stale == ()
    store.write(lambda tx: tx.run("MATCH ()-[r:RESULT]->() SET r.stale = true").consume())
    summary, read = read_motif_test(store, test.test_id)
    assert summary.stale == ("induction",)
    assert read == test


def test_an_id_that_no_test_has_is_told(embedded_store: GraphStore) -> None:
    with pytest.raises(NotFoundError, match="no motif test has id 'zz'; `circuits motifs tests`"):
        read_motif_test(embedded_store, "zz")
    circuit_id = _circuit_id(embedded_store)
    tests = [motif_test(circuit_id).model_copy(update={"seed": seed}) for seed in range(20)]
    for test in tests:
        embedded_store.write(lambda tx, test=test: write_motif_test(tx, [INDUCTION], test))
    first = [test.test_id[0] for test in tests]
    twice = next(digit for digit in first if first.count(digit) > 1)
    with pytest.raises(NotFoundError, match="is ambiguous; give more digits of one of"):
        read_motif_test(embedded_store, twice)


def test_a_stored_motif_that_contradicts_itself_is_left_out(
    embedded_store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Older releases took `late < early` on an edge from early to late."""
    embedded_store.write(lambda tx: write_motif(tx, INDUCTION))
    order = DepthOrder(left="second", relation=DepthRelation.BEFORE, right="first")
    changes = {"name": "against", "depth": (order,)}  # a copy is not checked
    old = find_motif("q_composition").model_copy(update=changes)
    embedded_store.write(lambda tx: write_motif(tx, old))
    with caplog.at_level(logging.WARNING):
        assert read_motifs(embedded_store) == (INDUCTION,)
    assert "'against' is left out: depth rule 'second < first' contradicts" in caplog.text
