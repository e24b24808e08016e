"""Records removed with what hangs on them, in transactions that are short on either server.

The embedded server reads a node anew for each relationship that it removes with it, so whatever a
circuit has many of goes first and the circuit last: one that is half removed is still found, and
removing it again goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.store.batches import fetch
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuit_edges import removing, stored_nodes
from graph_schema.store.records.models import hold_models
from graph_schema.store.records.node_roles import keep_roles_on_task

MANY = 1_000

Write = Callable[[Callable[[Transaction], Any]], Any]
"""Runs some work in a transaction of its own and returns what it returns."""

_SOME_OCCURRENCES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})<-[:IN_CIRCUIT]-(o:Occurrence)
WITH o LIMIT $most
DETACH DELETE o
RETURN count(*) AS n
"""
_SOME_ANNOTATIONS: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(:CircuitNode)<-[:ON]-(a:Annotation)
WITH DISTINCT a LIMIT $most
DETACH DELETE a
RETURN count(*) AS n
"""
_FINGERPRINT: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) RETURN c.fingerprint AS fingerprint
"""
_RUNS_OF_EVALUATIONS: LiteralString = """
MATCH (r:Run)-[:MEASURED]->(:Evaluation)-[:JUDGES]->(:Circuit {circuit_id: $circuit_id})
DETACH DELETE r
"""
_EVALUATIONS: LiteralString = """
MATCH (e:Evaluation)-[:JUDGES]->(:Circuit {circuit_id: $circuit_id}) DETACH DELETE e
"""
# A test of other circuits too was corrected over all of them: it stays as it was.
_TESTS: LiteralString = """
MATCH (t:MotifTest)-[:TESTED_IN]->(:Circuit {circuit_id: $circuit_id})
WHERE NOT EXISTS { MATCH (t)-[:TESTED_IN]->(o:Circuit) WHERE o.circuit_id <> $circuit_id }
DETACH DELETE t
"""
_RUNS: LiteralString = """
MATCH (r:Run)-[:PRODUCED]->(:Circuit {circuit_id: $circuit_id})
WHERE NOT EXISTS { MATCH (r)-[:PRODUCED]->(o:Circuit) WHERE o.circuit_id <> $circuit_id }
DETACH DELETE r
"""
_DOCUMENT: LiteralString = """
MATCH (d:CircuitDocument {circuit_id: $circuit_id}) DETACH DELETE d
"""
_CIRCUIT: LiteralString = "MATCH (c:Circuit {circuit_id: $circuit_id}) DETACH DELETE c"

_EVALUATION: LiteralString = "MATCH (e:Evaluation {evaluation_id: $id}) DETACH DELETE e"
_ROLE_TEST: LiteralString = """
MATCH (t:RoleTest {role_test_id: $id})
RETURN t.fingerprint AS fingerprint, t.task_id AS task_id, t.components AS names
"""
_PLAYS: LiteralString = """
UNWIND $ids AS id
MATCH (:Component {component_id: id})-[e:PLAYS {role_test_id: $id}]->(:Role)
DELETE e
"""
_DELETE_ROLE_TEST: LiteralString = "MATCH (t:RoleTest {role_test_id: $id}) DETACH DELETE t"
_ROLE_NODES: LiteralString = """
MATCH (:RoleGraph {role_graph_id: $id})-[:HAS_ROLE]->(n:RoleNode) DETACH DELETE n
"""
_ROLE_GRAPH: LiteralString = "MATCH (g:RoleGraph {role_graph_id: $id}) DETACH DELETE g"
_VERDICT: LiteralString = "MATCH (v:Verdict {verdict_id: $id}) DETACH DELETE v"
_REPORT: LiteralString = "MATCH (r:Report {job_id: $id}) DETACH DELETE r"
_MATRIX: LiteralString = "MATCH (:RoleTest)-[e:ABLATED_ON {job_id: $id}]->(:Task) DELETE e"
_RUNS_OF_JOB: LiteralString = "MATCH (r:Run {job_id: $id}) DETACH DELETE r"


def remove_circuit(store: GraphStore, circuit_id: str, write: Write) -> None:
    """Remove a circuit, its nodes, edges, annotations and evaluations, and where motifs occur.

    While it goes on a reader is told that the circuit is torn; in the end there is none.
    """
    for statement in (_SOME_OCCURRENCES, _SOME_ANNOTATIONS):
        while write(partial(_some, statement=statement, circuit_id=circuit_id)):
            pass
    for step in removing(stored_nodes(store, circuit_id)):
        while not write(step):
            pass
    write(partial(_rest, circuit_id=circuit_id))


def remove_evaluation(store: GraphStore, evaluation_id: str) -> None:
    """Remove an evaluation; the circuit stays."""
    _run(store.write, (_EVALUATION,), evaluation_id)


def remove_role_test(store: GraphStore, role_test_id: str) -> None:
    """Remove a role test and what it found; circuits' nodes keep the roles that others found."""

    def work(tx: Transaction) -> None:
        for row in fetch(tx, _ROLE_TEST, id=role_test_id):
            hold_models(tx, [row["fingerprint"]])
            ids = [f"{row['fingerprint']}:{name}" for name in row["names"]]
            tx.run(_PLAYS, id=role_test_id, ids=ids).consume()
            tx.run(_DELETE_ROLE_TEST, id=role_test_id).consume()
            keep_roles_on_task(tx, row["fingerprint"], row["task_id"])

    store.write(work)


def remove_role_graph(store: GraphStore, role_graph_id: str) -> None:
    """Remove a role graph with its nodes."""
    _run(store.write, (_ROLE_NODES, _ROLE_GRAPH), role_graph_id)


def remove_report(store: GraphStore, job_id: str, verdict_ids: Sequence[str]) -> None:
    """Remove a universality job's report, and these verdicts."""
    for verdict_id in verdict_ids:
        _run(store.write, (_VERDICT,), verdict_id)
    _run(store.write, (_REPORT,), job_id)


def remove_traces(write: Write, job_id: str) -> None:
    """Remove what is left of a job's attempts: runs, and a specificity job's matrix."""
    _run(write, (_MATRIX, _RUNS_OF_JOB), job_id)


def _some(tx: Transaction, statement: LiteralString, circuit_id: str) -> bool:
    return bool(fetch(tx, statement, circuit_id=circuit_id, most=MANY)[0]["n"])


def _rest(tx: Transaction, circuit_id: str) -> None:
    # The model first, as all do who hold both.
    hold_models(tx, [row["fingerprint"] for row in fetch(tx, _FINGERPRINT, circuit_id=circuit_id)])
    for statement in (_RUNS_OF_EVALUATIONS, _EVALUATIONS, _TESTS, _RUNS, _DOCUMENT, _CIRCUIT):
        tx.run(statement, circuit_id=circuit_id).consume()


def _run(write: Write, statements: Sequence[LiteralString], id: str) -> None:
    def work(tx: Transaction) -> None:
        for statement in statements:
            tx.run(statement, id=id).consume()

    write(work)
