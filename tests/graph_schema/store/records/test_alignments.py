"""Alignments in the graph, on both servers."""

from __future__ import annotations

from graph_schema.store.connection import GraphStore
from graph_schema.store.records.alignments import read_alignments, write_alignment
from tests.findings import alignment
from tests.graph_schema.store.records.made import store_circuit, twice


def test_an_alignment_is_one_whichever_way_round(store: GraphStore) -> None:
    one, two = (store_circuit(store, job=job).circuit_id for job in ("one", "two"))
    twice(store, lambda tx: write_alignment(tx, alignment(one, two, 0.5)))
    store.write(lambda tx: write_alignment(tx, alignment(two, one, 0.75)))
    assert read_alignments(store, one) == (alignment(one, two, 0.75),)
    assert read_alignments(store, two) == (alignment(two, one, 0.75),)
