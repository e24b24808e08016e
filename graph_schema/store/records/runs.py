"""Attempts of jobs: which one made a circuit, an evaluation or a role test last."""

from __future__ import annotations

import json
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import RunRecord
from graph_schema.store.batches import Row, write_rows
from graph_schema.store.connection import GraphStore

_WRITE_OF_CIRCUIT: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
MERGE (r:Run {run_id: $run.run_id})
SET r += $run, r.finished_at = timestamp()
MERGE (r)-[:PRODUCED]->(c)
RETURN count(r) AS written
"""
_WRITE_OF_EVALUATION: LiteralString = """
MATCH (e:Evaluation {evaluation_id: $evaluation_id})
MERGE (r:Run {run_id: $run.run_id})
SET r += $run, r.finished_at = timestamp()
MERGE (r)-[:MEASURED]->(e)
RETURN count(r) AS written
"""
_WRITE: LiteralString = """
MERGE (r:Run {run_id: $run.run_id})
SET r += $run, r.finished_at = timestamp()
RETURN count(r) AS written
"""
_LAST_OF_JOB: LiteralString = """
MATCH (r:Run {job_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""
_LAST_OF_CIRCUIT: LiteralString = """
MATCH (r:Run)-[:PRODUCED]->(:Circuit {circuit_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""
_LAST_OF_EVALUATION: LiteralString = """
MATCH (r:Run)-[:MEASURED]->(:Evaluation {evaluation_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""
_LAST_OF_ROLE_TEST: LiteralString = """
MATCH (r:Run)-[:TESTED]->(:RoleTest {role_test_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""


def write_run_of_circuit(tx: Transaction, circuit_id: str, run: RunRecord) -> None:
    """Write the attempt that found a stored circuit."""
    write_rows(tx, _WRITE_OF_CIRCUIT, circuit_id=circuit_id, run=run_row(run), expected=1)


def write_run_of_evaluation(tx: Transaction, evaluation_id: str, run: RunRecord) -> None:
    """Write the attempt that made a stored evaluation."""
    write_rows(tx, _WRITE_OF_EVALUATION, evaluation_id=evaluation_id, run=run_row(run), expected=1)


def write_run(tx: Transaction, run: RunRecord) -> None:
    """Write the attempt that made what is found by its job's id."""
    write_rows(tx, _WRITE, run=run_row(run), expected=1)


def run_of_job(store: GraphStore, job_id: str) -> RunRecord | None:
    """The last attempt of a job that wrote something."""
    return _last(store, _LAST_OF_JOB, job_id)


def run_of_circuit(store: GraphStore, circuit_id: str) -> RunRecord | None:
    """The last attempt that found the circuit; None for an imported one."""
    return _last(store, _LAST_OF_CIRCUIT, circuit_id)


def run_of_evaluation(store: GraphStore, evaluation_id: str) -> RunRecord | None:
    """The last attempt that made the evaluation."""
    return _last(store, _LAST_OF_EVALUATION, evaluation_id)


def run_of_role_test(store: GraphStore, role_test_id: str) -> RunRecord | None:
    """The last attempt that made the role test; None where no job did."""
    return _last(store, _LAST_OF_ROLE_TEST, role_test_id)


def _last(store: GraphStore, statement: LiteralString, wanted: str) -> RunRecord | None:
    rows = store.rows(statement, id=wanted)
    if not rows:
        return None
    parsed = {name: json.loads(rows[0][name]) for name in ("versions", "cpu_seconds")}
    return RunRecord.model_validate({**rows[0], **parsed})


def run_row(run: RunRecord) -> Row:
    """What stands on a Run node."""
    return {
        "run_id": run.run_id,
        "job_id": run.job_id,
        "attempt": run.attempt,
        "host": run.host,
        "versions": json.dumps(run.versions, sort_keys=True),
        "cpu_seconds": json.dumps(run.cpu_seconds, sort_keys=True),
    }
