"""What a model's roles are worth on its tasks: a relationship a cell, from role test to task.

The whole matrix, with what could not be measured and why, is a document on the run that found it.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import RunRecord
from graph_schema.documents.specificity import RoleDrop, Specificity
from graph_schema.errors import NotFoundError
from graph_schema.store.batches import Row, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.runs import write_run
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

_DELETE: LiteralString = """
UNWIND $ids AS id
MATCH (:RoleTest {role_test_id: id})-[e:ABLATED_ON {job_id: $job_id}]->(:Task)
DELETE e
"""
_WRITE: LiteralString = """
UNWIND $rows AS row
MATCH (t:RoleTest {role_test_id: row.role_test_id}) MATCH (k:Task {task_id: row.task_id})
CREATE (t)-[e:ABLATED_ON]->(k)
SET e = row.properties
RETURN count(e) AS written
"""
_WRITE_FOUND: LiteralString = """
MATCH (r:Run {run_id: $run_id}) SET r.found = $found RETURN count(r) AS written
"""
_READ: LiteralString = """
MATCH (r:Run {job_id: $job_id}) WHERE r.found IS NOT NULL
RETURN r.found AS found ORDER BY r.finished_at DESC LIMIT 1
"""


def write_specificity(tx: Transaction, found: Specificity, run: RunRecord) -> None:
    """Write the matrix in place of what its job wrote before, and the attempt that measured it.

    Raises:
        WriteMissed: One of its role tests is not stored.
    """
    for task in found.tasks:
        write_task(tx, task.task_id, task.task)
    tests = {task.roles_job: task.role_test_id for task in found.tasks}
    ids = [each for each in tests.values() if each is not None]
    tx.run(_DELETE, ids=ids, job_id=found.job_id).consume()
    rows: list[Row] = [
        {
            "role_test_id": tests[cell.of],
            "task_id": found.task(cell.on).task_id,
            "properties": _cell(found, cell),
        }
        for cell in found.cells
    ]
    write_batches(tx, _WRITE, rows)
    write_run(tx, run)
    write_rows(tx, _WRITE_FOUND, run_id=run.run_id, found=found.model_dump_json(), expected=1)


def read_specificity_of_job(store: GraphStore, job_id: str) -> Specificity:
    """The matrix that this job measured.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(_READ, job_id=job_id)
    if not rows:
        raise NotFoundError(
            f"no specificity is of job {job_id!r}; a specificity job that succeeded stores one"
        )
    return stored_document(Specificity, rows[0]["found"], f"specificity of job {job_id}")


def _cell(found: Specificity, cell: RoleDrop) -> Row:
    random = cell.random
    return {
        "job_id": found.job_id,
        "role": cell.role.value,
        "members": list(cell.members),
        "share": cell.share,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        "control_sets": cell.sets,
        "random_mean": random and random.mean,
        "random_low": random and random.low,
        "random_high": random and random.high,
        "p": random and random.p,
        "n_pairs": found.task(cell.on).n_pairs,
    }
