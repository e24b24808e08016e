"""Occurrences of motifs in the graph, on both servers."""

from __future__ import annotations

from graph_schema.store.connection import GraphStore
from graph_schema.store.records.motifs import read_motifs, read_occurrences, write_occurrences
from tests.graph_schema.store.records.made import INDUCTION, occurrence, store_circuit, twice


def test_occurrences_take_the_place_of_those_before(store: GraphStore) -> None:
    circuit_id = store_circuit(store).circuit_id
    both = [occurrence(circuit_id, name) for name in ("a0.h1", "m0")]
    twice(store, lambda tx: write_occurrences(tx, INDUCTION, circuit_id, both))
    assert read_motifs(store) == (INDUCTION,)
    assert list(read_occurrences(store, circuit_id, INDUCTION.motif_id)) == both
    bound = (
        "MATCH (:Occurrence)-[b:BINDS {variable: 'previous'}]->(n) RETURN n.name AS n ORDER BY n"
    )
    assert store.rows(bound) == [{"n": "a0.h1"}, {"n": "m0"}]
    searched = "MATCH ()-[s:SEARCHED]->() RETURN s.occurrences AS n"
    for kept in (both[:1], []):
        store.write(lambda tx, kept=kept: write_occurrences(tx, INDUCTION, circuit_id, kept))
        assert list(read_occurrences(store, circuit_id)) == kept
        assert store.rows(searched) == [{"n": len(kept)}]
