"""The list of circuits: which ones, and a line of each."""

from __future__ import annotations

from pydantic import Field

from graph_schema.documents import Document
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import statements


class CircuitFilter(Document):
    """Which circuits to list; None means any.

    `model` is a name, a family or the first digits of a fingerprint; `task` a name or an id.
    """

    task: str | None = None
    model: str | None = None
    method: str | None = None
    job_id: str | None = None
    min_faithfulness: float | None = None
    max_edges: int | None = Field(default=None, le=2**63 - 1)
    limit: int = Field(default=50, ge=1, le=100_000)


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
    cmd: float | None
    cpr: float | None
    created_at: int


def list_circuits(
    store: GraphStore, filters: CircuitFilter | None = None
) -> tuple[CircuitSummary, ...]:
    """The circuits that pass the filter, the newest first."""
    parameters = (filters or CircuitFilter()).model_dump(exclude_none=True)
    statement = statements.LIST_START
    if parameters.keys().isdisjoint(statements.NARROWING):
        statement += statements.LIST_NEWEST
    for name, condition in statements.LIST_FILTERS.items():
        if name in parameters:
            statement += condition + "\n"
    rows = store.rows(statement + statements.LIST_CIRCUITS, **parameters)
    return tuple(CircuitSummary.model_validate(row) for row in rows)
