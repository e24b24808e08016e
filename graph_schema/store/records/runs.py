"""Attempts of jobs: which one made a circuit, an evaluation or a role test last."""

from __future__ import annotations

import json
from typing import LiteralString

from graph_schema.documents.jobs import RunRecord
from graph_schema.store.connection import GraphStore

LAST_OF_CIRCUIT: LiteralString = """
MATCH (r:Run)-[:PRODUCED]->(:Circuit {circuit_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""
LAST_OF_EVALUATION: LiteralString = """
MATCH (r:Run)-[:MEASURED]->(:Evaluation {evaluation_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""
LAST_OF_ROLE_TEST: LiteralString = """
MATCH (r:Run)-[:TESTED]->(:RoleTest {role_test_id: $id})
RETURN r.run_id AS run_id, r.job_id AS job_id, r.attempt AS attempt, r.host AS host,
       r.versions AS versions, r.cpu_seconds AS cpu_seconds
ORDER BY coalesce(r.finished_at, 0) DESC, attempt DESC, run_id LIMIT 1
"""


def run_of_circuit(store: GraphStore, circuit_id: str) -> RunRecord | None:
    """The last attempt that found the circuit; None for an imported one."""
    return _last(store, LAST_OF_CIRCUIT, circuit_id)


def run_of_evaluation(store: GraphStore, evaluation_id: str) -> RunRecord | None:
    """The last attempt that made the evaluation."""
    return _last(store, LAST_OF_EVALUATION, evaluation_id)


def run_of_role_test(store: GraphStore, role_test_id: str) -> RunRecord | None:
    """The last attempt that made the role test; None where no job did."""
    return _last(store, LAST_OF_ROLE_TEST, role_test_id)


def _last(store: GraphStore, statement: LiteralString, wanted: str) -> RunRecord | None:
    rows = store.rows(statement, id=wanted)
    if not rows:
        return None
    parsed = {name: json.loads(rows[0][name]) for name in ("versions", "cpu_seconds")}
    return RunRecord.model_validate({**rows[0], **parsed})
