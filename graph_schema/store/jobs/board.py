"""The jobs of a board: a page of them by where the last one ended, and how many are in each state.

A page is asked for by its place in time and not by how many come before it: nothing is shown twice
or passed over where jobs are submitted meanwhile, and the hundredth page costs what the first does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.json_text import json_text
from graph_schema.store.batches import fetch
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.node import record_of

# Only what was asked for stands in the statement: an index serves `x = $x`, none `$x IS NULL OR …`.
# Shards are parts of others: a job's own page shows them.
_ALL: LiteralString = "MATCH (j:Job) WHERE j.kind <> 'shard'\n"
_IN_STATE: LiteralString = "MATCH (j:Job) WHERE j.state = $state AND j.kind <> 'shard'\n"
_OLDER: LiteralString = """AND (j.submitted_at < $at OR (j.submitted_at = $at AND j.job_id > $id))
"""
_PAGE: LiteralString = """
WITH j.job_id AS id, j.submitted_at AS at ORDER BY at DESC, id LIMIT $limit
MATCH (j:Job {job_id: id})
RETURN properties(j) AS job ORDER BY at DESC, id
"""
_COUNTS: LiteralString = """
MATCH (j:Job) WHERE j.kind <> 'shard' RETURN j.state AS state, count(j) AS n
"""
_COUNTS_WITH_SHARDS: LiteralString = """
MATCH (j:Job) RETURN j.state AS state, count(j) AS n
"""
_TOTAL: LiteralString = "MATCH (j:Job) RETURN count(j) AS n"
_QUEUED: LiteralString = """
MATCH (j:Job) WHERE j.state = 'queued'
RETURN count(j) AS n, max(j.submitted_at) AS newest, sum(j.attempts) AS attempts
"""
_RUNNING: LiteralString = """
MATCH (j:Job) WHERE j.state = 'running'
RETURN j.job_id AS id, j.attempts AS attempts, j.progress_stage AS stage,
       j.progress_done AS done, j.cancel_requested AS cancel_requested
ORDER BY id
"""


@dataclass(frozen=True)
class Place:
    """Where a page ends: the time of its last job, in milliseconds, and that job's id."""

    at: int
    id: str

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """The place that `str` wrote; None where it is none."""
        at, _, id = text.partition("-")
        return cls(int(at), id) if at.isdecimal() and len(at) < 16 and id.isalnum() else None

    def __str__(self) -> str:
        return f"{self.at}-{self.id}"


def read_page(
    store: GraphStore, *, state: JobState | None, older_than: Place | None, limit: int
) -> tuple[JobRecord, ...]:
    """The newest jobs in a state (None: in any) that are older than a place, newest first."""
    statement = _ALL if state is None else _IN_STATE
    asked: dict[str, object] = {"limit": limit}
    if state is not None:
        asked["state"] = state.value
    if older_than is not None:
        statement += _OLDER
        asked |= {"at": older_than.at, "id": older_than.id}
    return store.read(
        lambda tx: tuple(record_of(row["job"]) for row in tx.run(statement + _PAGE, asked))
    )


def count_by_state(store: GraphStore, *, shards: bool = False) -> dict[JobState, int]:
    """How many jobs are in each state; `shards` counts the parts of others too."""
    found = store.rows(_COUNTS_WITH_SHARDS if shards else _COUNTS)
    rows = {str(row["state"]): int(row["n"]) for row in found}
    return {state: rows.get(state.value, 0) for state in JobState}


def stirring(store: GraphStore) -> str:
    """A digest of every running job, of how many are queued, and of how many jobs there are.

    Queued jobs are summed up by the database: thousands may wait, and who shows some of them has
    those in `digest`.
    """
    read = store.read(lambda tx: [fetch(tx, each) for each in (_TOTAL, _QUEUED, _RUNNING)])
    return _digest(read)


def digest(records: Iterable[JobRecord], others: str = "") -> str:
    """A digest of what a page shows of these jobs; `others` is `stirring`, asked before them.

    It is of what is stored and nothing else: whoever asks again, of whichever process, gets the
    same as long as nothing has happened to any of them.
    """
    told = {"spec", "placement", "owner"}
    return _digest([others, *(record.model_dump(mode="json", exclude=told) for record in records)])


def _digest(value: object) -> str:
    return hashlib.sha256(json_text(value).encode()).hexdigest()[:16]
