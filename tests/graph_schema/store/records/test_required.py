"""What a record hangs on must be stored, on both servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from neo4j import Transaction

from graph_schema.errors import NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.alignments import write_alignment
from graph_schema.store.records.annotations import write_annotation
from graph_schema.store.records.motifs import write_motif
from graph_schema.store.records.role_graphs import read_role_graph
from graph_schema.store.records.verdicts import read_verdict, write_verdict
from tests.findings import FOUR, alignment, annotation, verdict
from tests.graph_schema.store.records.made import INDUCTION, store_circuit
from tests.graph_schema.store.records.test_circuits import COUNTS


def test_what_a_finding_hangs_on_must_be_there(store: GraphStore) -> None:
    circuit_id = store_circuit(store).circuit_id
    refused: list[tuple[str, Callable[[Transaction], None]]] = [
        ("circuit 'x'", lambda tx: write_alignment(tx, alignment(circuit_id, "x"))),
        ("motif", lambda tx: write_verdict(tx, verdict())),
        ("a1.h3", lambda tx: write_annotation(tx, annotation(circuit_id, "a1.h3"))),
    ]
    before = store.rows(COUNTS)
    for said, work in refused:
        with pytest.raises(NotFoundError, match=said):
            store.write(work)
    assert store.rows(COUNTS) == before
    store.write(lambda tx: write_motif(tx, INDUCTION))
    with pytest.raises(NotFoundError, match=FOUR[0][0].fingerprint):
        store.write(lambda tx: write_verdict(tx, verdict()))
    for read in (read_verdict, read_role_graph):
        with pytest.raises(NotFoundError, match="'none'"):
            read(store, "none")
