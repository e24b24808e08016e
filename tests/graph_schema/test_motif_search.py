"""Motifs against stored circuits: what the reference matcher finds, tested and stored."""

from __future__ import annotations

from typing import Any

import pytest

from graph_schema.documents import CircuitDocument, Motif
from graph_schema.errors import NotFoundError, SpecError, StoreError
from graph_schema.motif_search import (
    add_motif,
    circuit_graph,
    find_occurrences,
    known_motifs,
    motif_named,
    run_motif_tests,
    store_occurrences,
    stored_tests,
)
from graph_schema.motifs import CircuitGraph, catalogue, motif_tests, occurrences
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.motif_tests import list_motif_tests, read_motif_test
from graph_schema.store.records.motifs import read_occurrences
from graph_schema.store.records.role_tests import write_roles
from tests.factories import made_edges, make_circuit, make_model
from tests.findings import roles_played

MINE = """
name: keys_of_an_mlp
description: A head that reads an MLP by its keys.
nodes:
  relay: {kind: mlp}
  head: {kind: head}
edges:
  - relay -k-> head
"""
MODEL = make_model("made/deep", n_layers=4, n_heads=4)
PLAYS = (
    *((f"a0.h{head}", "previous_token", 1.0, True) for head in range(4)),
    *((f"a{layer}.h{head}", "induction", 1.0, True) for layer in (1, 2) for head in range(4)),
)


def _stored(store: GraphStore, seed: int = 0) -> CircuitDocument:
    edges = made_edges(90, n_layers=4, n_heads=4, seed=seed)
    circuit = make_circuit(edges, model=MODEL, job=f"seed {seed}")
    store.write(lambda tx: write_circuit(tx, circuit))
    store.write(lambda tx: write_roles(tx, roles_played(MODEL, PLAYS)))
    return circuit


def test_what_is_found_is_what_the_matcher_finds(store: GraphStore) -> None:
    circuit = _stored(store)
    add_motif(store, MINE)
    motifs = known_motifs(store)
    assert list(motifs) == [*catalogue(), "keys_of_an_mlp"]
    graph = circuit_graph(store, circuit.circuit_id)
    stored = 0
    for name in ("induction", "incoherent_feed_forward_loop", "keys_of_an_mlp"):
        found = store_occurrences(store, motifs[name], circuit.circuit_id[:12])
        assert list(found.occurrences) == occurrences(graph, motifs[name], circuit.circuit_id)
        assert found.total == len(found.occurrences) > 0
        stored += found.total
    assert find_occurrences(store, motifs[name], circuit.circuit_id) == found
    assert len(read_occurrences(store, circuit.circuit_id)) == stored


def test_stored_occurrences_follow_the_roles(embedded_store: GraphStore) -> None:
    circuit = _stored(embedded_store)
    induction = motif_named(embedded_store, "induction")
    assert store_occurrences(embedded_store, induction, circuit.circuit_id).total
    failed = tuple((name, role, effect, False) for name, role, effect, _ in PLAYS)
    embedded_store.write(lambda tx: write_roles(tx, roles_played(MODEL, failed)))
    assert store_occurrences(embedded_store, induction, circuit.circuit_id).total == 0
    assert read_occurrences(embedded_store, circuit.circuit_id) == ()


def test_a_motif_of_ones_own_is_stored_under_a_name_of_its_own(embedded_store: GraphStore) -> None:
    motif = add_motif(embedded_store, MINE)
    again = add_motif(embedded_store, MINE.replace("by its keys", "through K"))
    assert again.motif_id == motif.motif_id
    assert (
        motif_named(embedded_store, "keys_of_an_mlp").description
        == "A head that reads an MLP through K."
    )
    for text, said in (
        (MINE.replace("-k->", "-q->"), "'keys_of_an_mlp' is already a motif stored, with another"),
        (MINE.replace("keys_of_an_mlp", "induction"), "already a motif of the catalogue"),
        (MINE.replace("mlp}", "mpl}"), "mpl"),
        ("name: [", "not YAML"),
    ):
        with pytest.raises(SpecError, match=said):
            add_motif(embedded_store, text)
    assert motif_named(embedded_store, "keys_of_an_mlp") == again
    with pytest.raises(SpecError, match=r"'keys_of_mlp'; near ones are keys_of_an_mlp"):
        motif_named(embedded_store, "keys_of_mlp")


def test_tests_are_those_of_the_pure_function_and_are_stored(store: GraphStore) -> None:
    circuits = [_stored(store, seed) for seed in (0, 1)]
    ids = [circuit.circuit_id for circuit in circuits]
    names = ("induction", "bi_fan", "triad_feed_forward")
    motifs = [motif_named(store, name) for name in names]
    graphs = {circuit_id: circuit_graph(store, circuit_id) for circuit_id in ids}
    expected = motif_tests(graphs, motifs, draws=50, seed=7)
    asked = [circuit_id[:12] for circuit_id in ids]
    assert run_motif_tests(store, asked, motifs, draws=50, seed=7, keep=False) == expected
    assert list_motif_tests(store) == ()
    assert run_motif_tests(store, asked, motifs, draws=50, seed=7) == expected
    assert read_motif_test(store, expected.test_id)[1] == expected
    assert [each.test_id for each in stored_tests(store, asked[1])] == [expected.test_id]


def test_more_occurrences_than_asked_for_are_counted(embedded_store: GraphStore) -> None:
    own = _stored(embedded_store).circuit_id
    bi_fan = motif_named(embedded_store, "bi_fan")
    every = find_occurrences(embedded_store, bi_fan, own)
    assert not every.cut
    some = find_occurrences(embedded_store, bi_fan, own, limit=3)
    assert (some.cut, len(some.occurrences), some.total) == (True, 3, every.total)
    assert all(each in every.occurrences for each in some.occurrences)
    for limit in (0, 10**9):
        with pytest.raises(SpecError, match=f"limit is {limit}; expected 1 to 1,000,000"):
            find_occurrences(embedded_store, bi_fan, own, limit=limit)


def test_a_torn_circuit_is_not_searched(embedded_store: GraphStore) -> None:
    own = _stored(embedded_store).circuit_id
    cut = "MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->()-[e:EDGE]->() WITH e LIMIT 1 DELETE e"
    embedded_store.write(lambda tx: tx.run(cut, id=own).consume())
    with pytest.raises(StoreError, match=f"circuit {own} is torn"):
        find_occurrences(embedded_store, motif_named(embedded_store, "bi_fan"), own)


def test_a_stored_circuit_is_read_as_it_was_written(embedded_store: GraphStore) -> None:
    circuit = _stored(embedded_store)
    graph = circuit_graph(embedded_store, circuit.circuit_id)
    roles = {node.name: node.roles for node in graph.nodes}
    assert graph == CircuitGraph.of(circuit, roles)
    assert frozenset(["induction"]) in roles.values()


def test_too_many_occurrences_are_not_stored(
    embedded_store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _stored(embedded_store).circuit_id
    bi_fan = motif_named(embedded_store, "bi_fan")
    monkeypatch.setattr("graph_schema.motif_search.searching.MAX_STORED", 3)
    with pytest.raises(SpecError, match=r"bi_fan occurs \d+ times in .*at most 3 are stored"):
        store_occurrences(embedded_store, bi_fan, own)
    assert read_occurrences(embedded_store, own) == ()


def test_a_test_that_makes_no_sense_is_refused(embedded_store: GraphStore) -> None:
    own = _stored(embedded_store).circuit_id
    bi_fan = motif_named(embedded_store, "bi_fan")
    refused: list[tuple[list[str], list[Motif], dict[str, Any], str]] = [
        ([], [bi_fan], {}, "nothing to test"),
        ([own], [], {}, "nothing to test"),
        ([own, own[:10]], [bi_fan], {}, f"circuit '{own}' is given twice"),
        ([own], [bi_fan, bi_fan], {}, "motif 'bi_fan' is given twice"),
        ([own], [bi_fan], {"draws": 0}, "draws is 0"),
        ([own], [bi_fan], {"alpha": 1.0}, "alpha is 1"),
        ([own], [bi_fan], {"seed": -1}, "seed is -1"),
        ([own], [bi_fan], {"seed": 2**63}, "seed is 9223372036854775808; expected 0 to"),
    ]
    for ids, motifs, options, said in refused:
        with pytest.raises(SpecError, match=said):
            run_motif_tests(embedded_store, ids, motifs, **options)
    with pytest.raises(NotFoundError, match="no circuit has id 'zz'"):
        run_motif_tests(embedded_store, ["zz"], [bi_fan])
    with pytest.raises(NotFoundError, match="no circuit has id 'zz'"):
        find_occurrences(embedded_store, bi_fan, "zz")
