"""Results too large for one transaction: parts before the job's end, each by the job's token.

What a job has stored of circuits that are not yet seen is remembered on the Job (`drafts`), so that
the attempt after this one, or whoever clears up after a job that ended otherwise, knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString, TypeVar

from neo4j import Transaction

from graph_schema.documents.jobs import JobProgress, JobState
from graph_schema.errors import JobCancelled
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.node import (
    change,
    check_held,
    leased,
    lock,
    locked,
    milliseconds,
    progressed,
    read_locked,
)

T = TypeVar("T")

_LEFT_OF_JOB: LiteralString = """
MATCH (j:Job {job_id: $job_id})
WHERE j.state IN ['succeeded', 'failed', 'cancelled'] AND j.drafts IS NOT NULL
RETURN j.drafts AS drafts
"""
_LEFT: LiteralString = """
MATCH (j:Job) WHERE j.state IN ['succeeded', 'failed', 'cancelled'] AND j.drafts IS NOT NULL
RETURN j.job_id AS job_id, j.drafts AS drafts ORDER BY job_id
"""


def write_part(
    store: GraphStore,
    job_id: str,
    token: str,
    write: Callable[[Transaction], bool],
    *,
    draft: str,
    lease: float,
    progress: JobProgress,
) -> None:
    """Store a part of a running job's result, and own the job for `lease` seconds from now.

    The token is checked first. `write` says whether what it stored is part of a draft: of the
    circuit with the id `draft`.

    Raises:
        LeaseLost: Another worker owns the job, or it has ended: nothing was written.
        JobCancelled: Somebody cancelled it: likewise.
    """

    def work(tx: Transaction) -> None:
        row, now = locked(tx, job_id)
        check_held(row, token)
        if row["cancel_requested"]:
            raise JobCancelled(f"job {job_id[:12]} was cancelled")
        known: list[str] = list(row.get("drafts") or [])
        if write(tx) and draft not in known:
            known.append(draft)
        renewed = {"state": JobState.RUNNING.value, **leased(now, milliseconds(lease))}
        change(tx, row, renewed | {"drafts": known} | progressed(progress))

    store.write(work)


def left_drafts(store: GraphStore) -> dict[str, tuple[str, ...]]:
    """The circuits that jobs which have ended left unfinished, by job."""
    return {row["job_id"]: tuple(row["drafts"]) for row in store.rows(_LEFT)}


def drafts_of(store: GraphStore, job_id: str) -> tuple[str, ...]:
    """The circuits that a job which has ended left unfinished; none of a live one."""
    rows = store.rows(_LEFT_OF_JOB, job_id=job_id)
    return tuple(rows[0]["drafts"]) if rows else ()


def once_ended(store: GraphStore, job_id: str, work: Callable[[Transaction], T]) -> T | None:
    """What `work` returns, done while the job, which has ended, is held; None where it is live.

    So that nobody clears up after a job that somebody has submitted again.
    """

    def held(tx: Transaction) -> T | None:
        if not lock(tx, job_id):
            return None
        row, _ = read_locked(tx, job_id)
        return work(tx) if JobState(row["state"]).ended else None

    return store.write(held)


def forget_draft(store: GraphStore, job_id: str, draft: str) -> None:
    """Say that nothing is stored of a draft any more; a job that is live again keeps its own."""

    def work(tx: Transaction) -> None:
        row, _ = locked(tx, job_id)
        if not JobState(row["state"]).ended:
            return
        known = [each for each in row.get("drafts") or () if each != draft]
        change(tx, row, {"drafts": known or None})

    store.write(work)
