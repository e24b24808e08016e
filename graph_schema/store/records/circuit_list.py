"""The list of circuits: which ones, and a line of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from pydantic import Field

from graph_schema.documents import Document
from graph_schema.store.batches import lots
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.remarks import tagged, tags_of

# Only what was asked for stands in the statement: an index serves `x = $x`, none `$x IS NULL OR …`.
CONDITIONS: dict[str, LiteralString] = {
    "job_id": "AND c.job_id = $job_id",
    "model": "AND (c.model = $model OR c.family = $model OR c.fingerprint STARTS WITH $model)",
    "task": "AND (c.task = $task OR c.task_id = $task)",
    "method": "AND c.method = $method",
    "min_faithfulness": "AND c.faithfulness >= $min_faithfulness",
    "max_edges": "AND c.n_edges <= $max_edges",
    "tag": "AND c.circuit_id IN $tag",
}
_START: LiteralString = "MATCH (c:Circuit) WHERE true\n"
_NEWEST: LiteralString = "AND c.created_at > 0\n"
"""Makes the index of created_at give the order, where no other one narrows the list down."""
_NARROWING = frozenset({"job_id", "model", "task", "tag"})
# Sorted before anything is read from the circuits that will not be shown.
_LIST: LiteralString = """
WITH c, c.created_at AS created_at, c.circuit_id AS circuit_id
ORDER BY created_at DESC, circuit_id SKIP $skip LIMIT $limit
RETURN circuit_id, created_at, c.job_id AS job_id, c.model AS model, c.family AS family,
       c.fingerprint AS fingerprint, c.task AS task, c.dataset_sha256 AS dataset_sha256,
       c.method AS method, c.metric AS metric, c.ablation AS ablation, c.selection AS selection,
       c.n_edges AS n_edges, c.n_edges_scored AS n_edges_scored, c.faithfulness AS faithfulness,
       c.heldout_faithfulness AS heldout_faithfulness, c.error_share AS error_share,
       c.cmd AS cmd, c.cpr AS cpr,
       COUNT { (c)-[:CONTRADICTS]->(:Verdict) } AS contradicts
ORDER BY created_at DESC, circuit_id
"""
_FIGURES: LiteralString = """
UNWIND $circuit_ids AS id MATCH (c:Circuit {circuit_id: id})
RETURN c.circuit_id AS circuit_id, c.n_edges AS n_edges,
       c.heldout_faithfulness AS heldout_faithfulness
"""

AT_ONCE = 500
"""Circuits asked for in one statement."""


_NAMES: LiteralString = """
MATCH (t:Task) RETURN DISTINCT 'task' AS kind, t.name AS name
UNION MATCH (m:Model) RETURN DISTINCT 'model' AS kind, m.name AS name
"""


class CircuitFilter(Document):
    """Which circuits to list; None means any.

    `model` is a name, a family or the first digits of a fingerprint; `task` a name or an id;
    `skip` leaves out so many of the newest.
    """

    task: str | None = None
    model: str | None = None
    method: str | None = None
    job_id: str | None = None
    tag: str | None = None
    min_faithfulness: float | None = None
    max_edges: int | None = Field(default=None, le=2**63 - 1)
    limit: int = Field(default=50, ge=1, le=100_000)
    skip: int = Field(default=0, ge=0, le=2**31)


class CircuitSummary(Document):
    """A line of the list of circuits; `created_at` is the database's time in milliseconds.

    What is not known of an imported circuit is null.
    """

    circuit_id: str
    job_id: str | None
    model: str
    family: str
    fingerprint: str
    task: str | None
    dataset_sha256: str | None
    method: str
    metric: str | None
    ablation: str | None
    selection: str | None
    n_edges: int
    n_edges_scored: int
    faithfulness: float | None
    heldout_faithfulness: float | None
    error_share: float | None = None
    cmd: float | None
    cpr: float | None
    created_at: int
    contradicts: int = 0
    """Verdicts that it contradicts, which were stored before it."""
    tags: tuple[str, ...] = ()


class CircuitFigures(Document):
    """How large a circuit is, and how good on pairs that discovery did not see."""

    circuit_id: str
    n_edges: int
    heldout_faithfulness: float | None


def figures_of(store: GraphStore, circuit_ids: Sequence[str]) -> dict[str, CircuitFigures]:
    """The figures of these circuits, by id; those that are not there are left out."""
    rows = [
        row
        for batch in lots(circuit_ids, AT_ONCE)
        for row in store.rows(_FIGURES, circuit_ids=batch)
    ]
    return {row["circuit_id"]: CircuitFigures.model_validate(row) for row in rows}


def list_circuits(
    store: GraphStore, filters: CircuitFilter | None = None
) -> tuple[CircuitSummary, ...]:
    """The circuits that pass the filter, the newest first."""
    parameters = (filters or CircuitFilter()).model_dump(exclude_none=True)
    if (tag := parameters.get("tag")) is not None:
        parameters["tag"] = sorted(tagged(store, tag))
    statement = _START
    if parameters.keys().isdisjoint(_NARROWING):
        statement += _NEWEST
    for name, condition in CONDITIONS.items():
        if name in parameters:
            statement += condition + "\n"
    rows = store.rows(statement + _LIST, **parameters)
    tags = tags_of(store, [row["circuit_id"] for row in rows])
    return tuple(
        CircuitSummary.model_validate({**row, "tags": tags.get(row["circuit_id"], ())})
        for row in rows
    )


def stored_names(store: GraphStore) -> dict[str, list[str]]:
    """The names that a list may be narrowed by: of each stored `task` and `model`, in order."""
    found: dict[str, list[str]] = {"task": [], "model": []}
    for row in store.rows(_NAMES):
        if row["name"]:
            found[row["kind"]].append(row["name"])
    return {kind: sorted(names) for kind, names in found.items()}
