"""Role tests: a node a measurement, and what it found of each component and role.

A measurement is told by its model, task, pairs, metric, ablation, seed and method version. Made
again it takes its own place; another one stands beside it, and a component passes a role on a task
where any of them says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.documents import RolePlay, RolesPlayed
from graph_schema.documents.jobs import RunRecord
from graph_schema.documents.role import RoleMeasurement
from graph_schema.errors import NotFoundError
from graph_schema.store.batches import fetch, fetch_batches, write_batches, write_rows
from graph_schema.store.connection import GraphStore, Row
from graph_schema.store.records.components import component_rows, write_components
from graph_schema.store.records.models import write_model
from graph_schema.store.records.node_roles import keep_roles_on_task
from graph_schema.store.records.runs import run_row
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

_WRITE_ROLES: LiteralString = "UNWIND $names AS name MERGE (:Role {name: name})"
_COMPONENTS: LiteralString = """
MATCH (t:RoleTest {role_test_id: $role_test_id}) RETURN t.components AS names
"""
_PLAYS: LiteralString = """
UNWIND $rows AS id
MATCH (p:Component {component_id: id})-[e:PLAYS {role_test_id: $role_test_id}]->(r:Role)
"""
_DELETE_PLAYS: LiteralString = _PLAYS + "DELETE e"
_READ_PLAYS: LiteralString = (
    _PLAYS
    + """
RETURN p.name AS component, r.name AS role, e.conditions AS conditions, e.scores AS scores,
       e.effect AS effect, e.ci_low AS ci_low, e.ci_high AS ci_high, e.control AS control,
       e.control_sets AS control_sets, e.q AS q, e.passes AS passes, e.reason AS reason,
       coalesce(e.kin, 0) AS kin, e.kin_effect AS kin_effect, e.kin_low AS kin_low,
       e.kin_high AS kin_high
ORDER BY component, role
"""
)
_WRITE_TEST: LiteralString = """
MATCH (m:Model {fingerprint: $test.fingerprint})
MERGE (t:RoleTest {role_test_id: $test.role_test_id})
ON CREATE SET t.created_at = timestamp()
SET t += $test
MERGE (t)-[:OF_MODEL]->(m)
RETURN count(t) AS written
"""
_CREATE_PLAYS: LiteralString = """
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id}) MATCH (r:Role {name: row.role})
CREATE (p)-[e:PLAYS]->(r)
SET e += row.properties
RETURN count(e) AS written
"""
_WRITE_RUN: LiteralString = """
MATCH (t:RoleTest {role_test_id: $role_test_id})
MERGE (r:Run {run_id: $run.run_id})
SET r += $run, r.finished_at = timestamp()
MERGE (r)-[:TESTED]->(t)
RETURN count(r) AS written
"""
_READ_OF_JOB: LiteralString = """
MATCH (t:RoleTest {job_id: $job_id})
RETURN t.role_test_id AS id, t.fingerprint AS fingerprint, t.components AS names,
       t.document AS document
"""
_READ_TESTS: LiteralString = """
MATCH (t:RoleTest {fingerprint: $fingerprint}) WHERE t.task_id = $task_id
RETURN t.role_test_id AS id, t.components AS names, t.document AS document
ORDER BY t.created_at, id
"""


def write_roles(tx: Transaction, found: RolesPlayed, run: RunRecord | None = None) -> None:
    """Write what role tests found, and give the circuits' nodes the roles that they pass now.

    The same measurement again replaces all that it found before; others stay as they are. `run` is
    the attempt of the job that made it.
    """
    write_measured(tx, found, {play.component for play in found.plays})
    own = found.role_test_id
    for row in fetch(tx, _COMPONENTS, role_test_id=own):
        ids = [f"{found.model.fingerprint}:{name}" for name in row["names"]]
        tx.run(_DELETE_PLAYS, rows=ids, role_test_id=own).consume()
    properties = {
        "role_test_id": own,
        "fingerprint": found.model.fingerprint,
        **measured(found),
        "method_version": found.method_version,
        "job_id": found.job_id,
        "components": sorted({play.component for play in found.plays}),
        "document": found.model_dump_json(exclude={"plays"}),
    }
    write_rows(tx, _WRITE_TEST, test=properties, expected=1)
    rows = [_play_row(found, play) for play in found.plays]
    tx.run(_WRITE_ROLES, names=sorted({row["role"] for row in rows})).consume()
    write_batches(tx, _CREATE_PLAYS, rows)
    if run is not None:
        write_rows(tx, _WRITE_RUN, role_test_id=own, run=run_row(run), expected=1)
    keep_roles_on_task(tx, found.model.fingerprint, found.task_id)


def read_role_tests(store: GraphStore, fingerprint: str, task_id: str) -> tuple[RolesPlayed, ...]:
    """The role tests of a model on a task, the oldest first, with all that each found."""

    def work(tx: Transaction) -> tuple[RolesPlayed, ...]:
        tests = fetch(tx, _READ_TESTS, fingerprint=fingerprint, task_id=task_id)
        return tuple(_test(tx, fingerprint, row) for row in tests)

    return store.read(work)


def read_role_test_of_job(store: GraphStore, job_id: str) -> RolesPlayed:
    """The role test that this job made, with all that it found.

    Raises:
        NotFoundError: None is stored.
    """

    def work(tx: Transaction) -> RolesPlayed:
        rows = fetch(tx, _READ_OF_JOB, job_id=job_id)
        if not rows:
            raise NotFoundError(f"no role test was made by job {job_id!r}; it may not have ended")
        return _test(tx, rows[0]["fingerprint"], rows[0])

    return store.read(work)


def write_measured(tx: Transaction, found: RoleMeasurement, names: Iterable[str]) -> None:
    """Write the model, which is then held, the task and those of the components not there."""
    write_model(tx, found.model)
    write_task(tx, found.task_id, found.task)
    write_components(tx, found.model.fingerprint, component_rows(found.model, names))


def measured(found: RoleMeasurement) -> Row:
    """How a measurement was taken, as properties."""
    return {
        "task": found.task,
        "task_id": found.task_id,
        "dataset_sha256": found.dataset_sha256,
        "metric": found.metric.value,
        "ablation": found.ablation.kind.value,
        "n_pairs": found.n_pairs,
        "seed": found.seed,
        "job_id": found.job_id,
    }


def _test(tx: Transaction, fingerprint: str, row: Row) -> RolesPlayed:
    ids = [f"{fingerprint}:{name}" for name in row["names"]]
    plays = fetch_batches(tx, _READ_PLAYS, ids, role_test_id=row["id"])
    plays.sort(key=lambda play: (play["component"], play["role"]))
    whole = json.loads(row["document"])
    return stored_document(
        RolesPlayed, {**whole, "plays": tuple(map(_play, plays))}, f"role test {row['id']}"
    )


def _play(row: Row) -> RolePlay:
    fields = {name: row[name] for name in RolePlay.model_fields if name != "scores"}
    scores = dict(zip(row["conditions"], row["scores"], strict=True))
    return RolePlay.model_validate({**fields, "scores": scores})


def _play_row(found: RolesPlayed, play: RolePlay) -> Row:
    properties: dict[str, Any] = play.model_dump(exclude={"component", "role", "scores"})
    return {
        "component_id": f"{found.model.fingerprint}:{play.component}",
        "role": play.role.value,
        "properties": properties
        | {
            "role_test_id": found.role_test_id,
            "task_id": found.task_id,
            "score": play.score,
            "scores": list(play.scores.values()),
            "conditions": list(play.scores),
        },
    }
