"""What is stored of roles in a model on a task: tests, role graphs, and what members are worth.

A model is its weights: what was measured under any fingerprint of them counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString

from graph_schema.documents import ModelDocument
from graph_schema.store.connection import GraphStore, Row

MOST = 200
"""Role graphs, and role tests, of a model on a task that are looked at: the newest."""

# By what an index has: never both ways in one condition.
_BY_FINGERPRINT: LiteralString = "MATCH (m:Model {fingerprint: $fingerprint})\n"
_BY_WEIGHTS: LiteralString = "MATCH (m:Model {weights_sha256: $weights})\n"
_GRAPHS: LiteralString = """
MATCH (m)<-[:MEASURED_IN]-(g:RoleGraph) WHERE g.task_id = $task_id
RETURN g.role_graph_id AS role_graph_id, g.motif_id AS motif_id, g.metric AS metric,
       g.ablation AS ablation, g.created_at AS created_at
ORDER BY created_at DESC, role_graph_id LIMIT $limit
"""
_TESTS: LiteralString = """
MATCH (m)<-[:OF_MODEL]-(t:RoleTest) WHERE t.task_id = $task_id
RETURN t.role_test_id AS role_test_id, t.job_id AS job_id, t.metric AS metric,
       t.ablation AS ablation, t.created_at AS created_at
ORDER BY created_at DESC, role_test_id LIMIT $limit
"""
_WORTH: LiteralString = """
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id})
      -[e:PLAYS {role_test_id: row.role_test_id}]->(r:Role)
WHERE e.passes
RETURN row.role_test_id AS role_test_id, p.name AS component, r.name AS role,
       e.effect AS effect, e.ci_low AS ci_low, e.ci_high AS ci_high
"""


@dataclass(frozen=True)
class MeasuredRoles:
    """Role graphs and role tests of a model on a task, the newest first, as rows."""

    graphs: tuple[Row, ...]
    tests: tuple[Row, ...]


def measured_roles(store: GraphStore, model: ModelDocument, task_id: str) -> MeasuredRoles:
    """What was measured of the model, under whichever of its fingerprints, on the task."""
    asked = {"task_id": task_id, "limit": MOST}
    if model.weights_sha256 is None:
        start, of = _BY_FINGERPRINT, {"fingerprint": model.fingerprint}
    else:
        start, of = _BY_WEIGHTS, {"weights": model.weights_sha256}
    return MeasuredRoles(
        tuple(store.rows(start + _GRAPHS, **asked, **of)),
        tuple(store.rows(start + _TESTS, **asked, **of)),
    )


def members_worth(
    store: GraphStore, members: Iterable[tuple[str, str, Sequence[str]]]
) -> dict[tuple[str, str, str], Row]:
    """What ablating members costs, by role test, component and role.

    Args:
        store: The graph.
        members: Fingerprint, role test and names of components.
    """
    rows = [
        {"component_id": f"{fingerprint}:{name}", "role_test_id": test}
        for fingerprint, test, names in members
        for name in names
    ]
    found = store.rows(_WORTH, rows=rows) if rows else []
    return {(row["role_test_id"], row["component"], row["role"]): row for row in found}
