"""What role tests found of one component: for whoever looks at a node and asks why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from graph_schema.store.connection import GraphStore

_PLAYS: LiteralString = """
MATCH (:Component {component_id: $component_id})-[e:PLAYS]->(r:Role)
WHERE $task_id IS NULL OR e.task_id = $task_id
MATCH (t:RoleTest {role_test_id: e.role_test_id})
RETURN r.name AS role, e.passes AS passes, e.score AS score, e.effect AS effect,
       e.ci_low AS low, e.ci_high AS high, e.control AS control, e.q AS q, e.reason AS reason,
       e.task_id AS task_id, t.job_id AS job_id
ORDER BY passes DESC, role, job_id
"""


@dataclass(frozen=True)
class Play:
    """One component tested for one role: the figures of `RolePlay`, and the job that made them."""

    role: str
    passes: bool
    score: float
    effect: float
    low: float | None
    high: float | None
    control: float | None
    q: float | None
    reason: str
    task_id: str
    job_id: str | None


def read_plays(
    store: GraphStore, fingerprint: str, component: str, task_id: str | None
) -> tuple[Play, ...]:
    """What role tests found of a model's component, what passes first; on any task if None."""
    rows = store.rows(_PLAYS, component_id=f"{fingerprint}:{component}", task_id=task_id)
    return tuple(Play(**row) for row in rows)
