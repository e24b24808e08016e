"""The Job node: read and written under its lock, and what its properties mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
STATES: LiteralString = """
MATCH (j:Job) WHERE j.job_id IN $job_ids
RETURN j.job_id AS id, j.state AS state, j.error_type AS error_type,
       j.error_message AS error_message, j.failed_need AS failed_need
"""

UNSAID = Demand().name
"""What a job needs that an earlier version submitted: its message is in the first of queues."""
CLOCK_SLACK = 5_000
"""Milliseconds by which the clocks of two servers of one database may differ."""

CANCELLED = ErrorDocument(type="JobCancelled", message="the job was cancelled")


class Standing(StrEnum):
    """Whether what a job needs has ended, and well enough."""

    WAITING = "waiting"
    MET = "met"
    FAILED = "failed"


@dataclass(frozen=True)
class Needed:
    """A job that another one needs: how it stands and, where it ended badly, through which job.

    `root` is the first of the line that failed or was cancelled, itself or what it needed; `error`
    is that one's.
    """

    state: JobState
    root: str
    error: ErrorDocument | None

    @property
    def ended(self) -> bool:
        return self.state.ended


@dataclass(frozen=True)
class Unmet:
    """Why a job cannot run any more, and the job that it lies with."""

    error: ErrorDocument
    root: str


States = dict[str, Needed]


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
        raise NotFoundError(f"no job has the id {job_id!r}; `circuits jobs` lists them")
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


def standing_of(tx: Transaction, row: Row) -> tuple[Standing, Unmet | None]:
    """How a job stands with what it needs, and where it cannot run any more, why."""
    return standing(row, states_of(tx, needed_by([row])))


def needed_by(rows: Iterable[Row]) -> set[str]:
    """The ids of all jobs that these need."""
    return {need for row in rows for need in row.get("needs") or ()}


def standing(row: Row, states: Mapping[str, Needed]) -> tuple[Standing, Unmet | None]:
    """As `standing_of`, with the states of what it needs at hand."""
    needs = _need_list(row)
    for need in needs:
        found = states.get(need.job_id)
        failed = found is None or found.state in (JobState.FAILED, JobState.CANCELLED)
        if need.on_failure == "fail" and failed:
            return Standing.FAILED, _unmet(need.job_id, found)
    if all(states[need.job_id].ended for need in needs if need.job_id in states):
        return Standing.MET, None
    return Standing.WAITING, None


def _unmet(job_id: str, found: Needed | None) -> Unmet:
    needed = f"it needs job {job_id[:12]}"
    if found is None:
        return Unmet(ErrorDocument(type="JobFailed", message=f"{needed}, which is gone"), job_id)
    cancelled = found.error is not None and found.error.type == CANCELLED.type
    own = found.root == job_id
    what = (
        ("was cancelled" if cancelled else "failed")
        if own
        else f"failed because job {found.root[:12]} {'was cancelled' if cancelled else 'did'}"
    )
    why = "" if cancelled or found.error is None else f": {found.error.type}: {found.error.message}"
    error = ErrorDocument(type="JobFailed", message=f"{needed}, which {what}{why}")
    return Unmet(error, found.root)


def states_of(tx: Transaction, job_ids: set[str]) -> States:
    """How these jobs stand; those that are not there are left out."""
    rows = _state_rows(tx, job_ids)
    # What a job failed through is told as it is, however long the line is.
    roots = _state_rows(tx, {row["failed_need"] for row in rows.values()} - {None, *rows}) | rows
    found: States = {}
    for job_id, row in rows.items():
        root = row["failed_need"] or job_id
        found[job_id] = Needed(JobState(row["state"]), root, _error_of(roots.get(root, {})))
    return found


def needed_as(row: Row, states: States) -> Needed:
    """How a job stands to those that need it, by its own row and what is known of others."""
    job_id = row["job_id"]
    root = row.get("failed_need") or job_id
    told = states.get(root) if root != job_id else None
    return Needed(JobState(row["state"]), root, told.error if told else _error_of(row))


def _state_rows(tx: Transaction, job_ids: set[str]) -> dict[str, Row]:
    if not job_ids:
        return {}
    return {row["id"]: row.data() for row in tx.run(STATES, job_ids=sorted(job_ids))}


def _error_of(row: Row) -> ErrorDocument | None:
    kind = row.get("error_type")
    return ErrorDocument(type=kind, message=row["error_message"]) if kind else None


def _need_list(row: Row) -> tuple[Need, ...]:
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
        needs=_need_list(row),
        attempts=row["attempts"],
        owner=row.get("owner"),
        progress=JobProgress(stage=stage, done=row["progress_done"], total=row["progress_total"])
        if stage
        else None,
        cancel_requested=row["cancel_requested"],
        error=_error_of(row),
        failed_need=row.get("failed_need"),
        circuit_ids=tuple(row.get("circuit_ids") or ()),
        submitted_at=row["submitted_at"],
        started_at=row.get("started_at"),
        finished_at=row.get("finished_at"),
    )
