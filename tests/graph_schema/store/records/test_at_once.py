"""Writers of the same records at once, on both servers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from neo4j import Transaction

from graph_schema.store.connection import GraphStore
from graph_schema.store.records.motifs import read_occurrences, write_occurrences
from graph_schema.store.records.role_graphs import write_role_graph
from graph_schema.store.records.role_tests import write_roles
from graph_schema.store.records.verdicts import read_verdict, write_verdict
from tests.findings import role_graph, roles_played, verdict
from tests.graph_schema.store.records.made import INDUCTION, occurrence, store_circuit, store_models
from tests.graph_schema.store.records.test_circuits import COUNTS

FORGET = """
MATCH (n) WHERE n:Role OR n:RoleGraph OR n:RoleNode OR n:Occurrence OR n:Verdict DETACH DELETE n
"""


def test_four_writers_of_the_same_findings_leave_them_once(store: GraphStore) -> None:
    store_models(store)
    circuit_id = store_circuit(store).circuit_id
    occurrences = [occurrence(circuit_id, name) for name in ("a0.h1", "m0")]

    def write(tx: Transaction) -> None:
        write_roles(tx, roles_played())
        write_role_graph(tx, role_graph())
        write_occurrences(tx, INDUCTION, circuit_id, occurrences)
        write_verdict(tx, verdict())

    store.write(write)
    once = store.rows(COUNTS)
    store.write(lambda tx: tx.run(FORGET).consume())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.write(write), range(4)))
    assert store.rows(COUNTS) == once
    assert len(read_occurrences(store, circuit_id)) == 2
    assert read_verdict(store, verdict().verdict_id) == verdict()
