"""The Job node: read and written under its lock, and what its properties mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import uuid4

from neo4j import Transaction

from graph_schema.documents.jobs import (
    Demand,
    ErrorDocument,
    JobProgress,
    JobRecord,
    JobState,
    Need,
    demand_of,
)
from graph_schema.errors import LeaseLost, NotFoundError
from graph_schema.printable import quoted

Row = dict[str, Any]

LOCK: LiteralString = "MATCH (j:Job {job_id: $job_id}) SET j.lock = $lock RETURN j.job_id AS id"
READ: LiteralString = """
MATCH (j:Job {job_id: $job_id}) RETURN properties(j) AS job, timestamp() AS now
"""
LOCK_ALL: LiteralString = """
UNWIND $job_ids AS id MATCH (j:Job {job_id: id}) SET j.lock = $lock RETURN j.job_id AS id
"""
READ_ALL: LiteralString = """
UNWIND $job_ids AS id MATCH (j:Job {job_id: id})
RETURN properties(j) AS job, timestamp() AS now
"""
CHANGE_ALL: LiteralString = """
UNWIND $rows AS row MATCH (j:Job {job_id: row.id}) SET j += row.changes
"""
CHANGE: LiteralString = "MATCH (j:Job {job_id: $job_id}) SET j += $changes"

UNSAID = Demand().name
"""What a job needs that an earlier version submitted: its message is in the first of queues."""
CLOCK_SLACK = 5_000
"""Milliseconds by which the clocks of two servers of one database may differ."""

CANCELLED = ErrorDocument(type="JobCancelled", message="the job was cancelled")


def lock(tx: Transaction, job_id: str, statement: LiteralString = LOCK) -> bool:
    """Lock the job until the transaction ends; False where there is none."""
    return tx.run(statement, job_id=job_id, lock=uuid4().hex).single() is not None


def read_locked(tx: Transaction, job_id: str) -> tuple[Row, int]:
    # A statement of its own: it then sees what the lock waited for.
    found = tx.run(READ, job_id=job_id).single(strict=True)
    return dict(found["job"]), int(found["now"])


def locked(tx: Transaction, job_id: str) -> tuple[Row, int]:
    """The job's properties under its lock, and the database's clock in milliseconds."""
    if not lock(tx, job_id):
        raise NotFoundError(f"no job has the id {quoted(job_id)}; `circuits jobs` lists them")
    return read_locked(tx, job_id)


def locked_all(tx: Transaction, job_ids: Sequence[str]) -> tuple[list[Row], int]:
    """The properties of these jobs under their locks, in this order, and the database's clock."""
    # All in one order, so that two who lock some of the same do not wait for each other.
    tx.run(LOCK_ALL, job_ids=sorted(job_ids), lock=uuid4().hex).consume()
    found = {row["job"]["job_id"]: row.data() for row in tx.run(READ_ALL, job_ids=list(job_ids))}
    rows = [dict(found[job_id]["job"]) for job_id in job_ids if job_id in found]
    return rows, max((int(row["now"]) for row in found.values()), default=0)


def change_all(tx: Transaction, changes: Mapping[str, Row]) -> None:
    """Write to many jobs what is to be changed in each; None removes a property."""
    if changes:
        rows = [{"id": job_id, "changes": of} for job_id, of in changes.items()]
        tx.run(CHANGE_ALL, rows=rows).consume()


def check_held(row: Row, token: str) -> None:
    """Go on if `token` owns the job: it runs, or was queued again and not yet claimed.

    Raises:
        LeaseLost: It does not.
    """
    if row.get("token") != token or JobState(row["state"]).ended:
        raise LeaseLost(
            f"job {row['job_id'][:12]} is {row['state']} and owned by "
            f"{row.get('owner') or 'nobody'}: this worker's lease is over, and what it computed "
            "is not written"
        )


def lapsed(row: Row, now: int) -> bool:
    """Whether a job is running by its state alone: its lease is over."""
    return JobState(row["state"]) is JobState.RUNNING and row.get("lease_until", 0) <= now


def leased(now: int, lease: int) -> Row:
    """A lease of so many milliseconds from now."""
    return {"lease_until": now + lease, "renewed_at": now}


def lease_ahead(row: Row, now: int) -> Row:
    """What a lease from before the clock was set back becomes, {} where it is none: as long, anew.

    A worker that lives renews it, and one that died does not hold the job until the clock is again
    where it was.
    """
    renewed = row.get("renewed_at") or 0
    if JobState(row["state"]) is not JobState.RUNNING or renewed <= now + CLOCK_SLACK:
        return {}
    return leased(now, row.get("lease_until", renewed) - renewed)


def pauses(row: Row, now: int) -> bool:
    """Whether the job was put off until later; not where the clock was set back since."""
    return (row.get("retry_at") or 0) > now and (row.get("sent_at") or 0) <= now


def change(tx: Transaction, row: Row, changes: Row) -> None:
    """Write `changes` to the node and to `row`; None removes a property."""
    tx.run(CHANGE, job_id=row["job_id"], changes=changes).consume()
    row.update(changes)


def ended(state: JobState, now: int, error: ErrorDocument | None = None) -> Row:
    return {
        "state": state.value,
        "finished_at": now,
        "lease_until": None,
        "retry_at": None,
        "error_type": error.type if error else None,
        "error_message": error.message if error else None,
    }


def queued_again(now: int) -> Row:
    return {
        "state": JobState.QUEUED.value,
        "owner": None,
        "lease_until": None,
        "sent_at": now,
        "retry_at": None,
    }


def resources_of(row: Row) -> str:
    """What the job's worker must have, by the name that its queue goes by."""
    return demand_of(row["placement"]).name


def progressed(progress: JobProgress) -> Row:
    return {
        "progress_stage": progress.stage,
        "progress_done": progress.done,
        "progress_total": progress.total,
    }


def error_of(row: Row) -> ErrorDocument | None:
    kind = row.get("error_type")
    return ErrorDocument(type=kind, message=row["error_message"]) if kind else None


def need_list(row: Row) -> tuple[Need, ...]:
    pairs = zip(row.get("needs") or (), row.get("needs_on_failure") or (), strict=True)
    return tuple(Need(job_id=job_id, on_failure=how) for job_id, how in pairs)


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def record_of(row: Row) -> JobRecord:
    stage = row.get("progress_stage")
    return JobRecord(
        job_id=row["job_id"],
        kind=row["kind"],
        state=JobState(row["state"]),
        spec=row["spec"],
        placement=row["placement"],
        needs=need_list(row),
        attempts=row["attempts"],
        owner=row.get("owner"),
        progress=JobProgress(stage=stage, done=row["progress_done"], total=row["progress_total"])
        if stage
        else None,
        cancel_requested=row["cancel_requested"],
        error=error_of(row),
        failed_need=row.get("failed_need"),
        circuit_ids=tuple(row.get("circuit_ids") or ()),
        submitted_at=row["submitted_at"],
        started_at=row.get("started_at"),
        finished_at=row.get("finished_at"),
        put_off=row.get("put_off") or 0,
        retry_at=row.get("retry_at"),
    )
