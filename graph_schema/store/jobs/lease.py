"""What a worker does with a job: claim, renew, finish, fail, stop; giving it back is next door.

All but the first are by token; a worker that lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import (
    Demand,
    ErrorDocument,
    JobProgress,
    JobRecord,
    JobState,
    Offer,
    demand_of,
)
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.judging import set_free
from graph_schema.store.jobs.needs import Standing, standing_of
from graph_schema.store.jobs.node import (
    CANCELLED,
    LOCK,
    Row,
    change,
    check_held,
    ended,
    lapsed,
    leased,
    lock,
    locked,
    milliseconds,
    pauses,
    progressed,
    read_locked,
    record_of,
)
from graph_schema.store.migrations import WHOLE

CLAIMED: LiteralString = WHOLE + LOCK


@dataclass(frozen=True)
class Unserved:
    """A job that is to be had, but not by this worker: what it needs, and the ids to send now."""

    demand: Demand
    send: tuple[str, ...] = ()


@dataclass(frozen=True)
class Renewal:
    """What a renewal brings back: whether the job is to be cancelled."""

    cancel_requested: bool


def claim(
    store: GraphStore, job_id: str, token: str, *, owner: str, lease: float, max_attempts: int
) -> JobRecord | None:
    """The job, now ours until `lease` seconds from now, or None where it is not to be had.

    To be had: queued, or running with its lease over; attempts left; not cancelled; its needs
    met; its pause over, where it was put off; no backup being restored. Claiming again by the same
    token changes nothing.
    """
    found = claim_served(
        store, job_id, token, owner=owner, lease=lease, max_attempts=max_attempts, offer=None
    )
    assert not isinstance(found, Unserved), "whoever offers nothing in particular takes all"
    return found


def claim_served(
    store: GraphStore,
    job_id: str,
    token: str,
    *,
    owner: str,
    lease: float,
    max_attempts: int,
    offer: Offer | None,
) -> JobRecord | Unserved | None:
    """As `claim`, by a worker that serves some jobs alone; one of the others is charged nothing.

    Such a job's message came here by an older client, or before the job was placed anew. Unless it
    was sent to its own queue meanwhile, it is to be sent there now.
    """

    def work(tx: Transaction) -> JobRecord | Unserved | None:
        if not lock(tx, job_id, CLAIMED):
            return None
        row, now = read_locked(tx, job_id)
        state = JobState(row["state"])
        if state is JobState.RUNNING and row.get("token") == token:
            return record_of(row)
        free = state is JobState.QUEUED or lapsed(row, now)
        if (
            not free
            or pauses(row, now)
            or row["attempts"] >= max_attempts
            or row["cancel_requested"]
            or standing_of(tx, row)[0] is not Standing.MET
        ):
            return None
        demand = demand_of(row["placement"])
        if offer is not None and not offer.serves(demand):
            known = row.get("resources") == demand.name and row.get("sent_at") is not None
            if known or state is not JobState.QUEUED:
                return Unserved(demand)
            change(tx, row, {"resources": demand.name, "sent_at": now})
            return Unserved(demand, (job_id,))
        changes = {
            "state": JobState.RUNNING.value,
            "token": token,
            "owner": owner,
            **leased(now, milliseconds(lease)),
            "attempts": row["attempts"] + 1,
            "started_at": now,
            "retry_at": None,
            "error_type": None,  # of the try before, where that was put off
            "error_message": None,
            "progress_stage": None,
            "progress_done": None,
            "progress_total": None,
        }
        change(tx, row, changes)
        return record_of(row)

    return store.write(work)


def renew(
    store: GraphStore,
    job_id: str,
    token: str,
    *,
    lease: float,
    progress: JobProgress | None = None,
) -> Renewal:
    """Own the job for `lease` seconds from now; revives it where it was queued again meanwhile.

    Raises:
        LeaseLost: Another worker owns it, or it has ended.
    """

    def work(tx: Transaction) -> Renewal:
        row, now = locked(tx, job_id)
        check_held(row, token)
        changes: Row = {"state": JobState.RUNNING.value, **leased(now, milliseconds(lease))}
        if progress is not None:
            changes |= progressed(progress)
        change(tx, row, changes)
        return Renewal(row["cancel_requested"])

    return store.write(work)


def finish(
    store: GraphStore,
    job_id: str,
    token: str,
    write: Callable[[Transaction], None],
    circuit_ids: Sequence[str],
) -> tuple[str, ...]:
    """End the job well and store its result, in one transaction; returns the ids to send now.

    The token is checked first, then `write` stores the result, or what of it is not stored yet
    (`write_part`); drafts of `circuit_ids` are then circuits.

    Raises:
        LeaseLost: Another worker owns the job, or it has ended: nothing was written.
    """

    def work(tx: Transaction) -> None:
        row, now = locked(tx, job_id)
        if _ended_by_us(row, token, JobState.SUCCEEDED):
            return
        check_held(row, token)
        write(tx)
        left = [each for each in row.get("drafts") or () if each not in circuit_ids]
        end = ended(JobState.SUCCEEDED, now) | {"circuit_ids": list(circuit_ids)}
        change(tx, row, end | {"drafts": left or None})

    store.write(work)
    return set_free(store, job_id)


def fail(store: GraphStore, job_id: str, token: str, error: ErrorDocument) -> tuple[str, ...]:
    """End the job with its error document; returns the ids of the jobs to send now.

    Raises:
        LeaseLost: Another worker owns the job, or it has ended.
    """
    return _end_by_token(store, job_id, token, JobState.FAILED, error)


def stop(store: GraphStore, job_id: str, token: str) -> tuple[str, ...]:
    """End the job as cancelled, by the worker that owns it; returns the ids to send now.

    Raises:
        LeaseLost: Another worker owns the job, or it has ended.
    """
    return _end_by_token(store, job_id, token, JobState.CANCELLED, CANCELLED)


def _end_by_token(
    store: GraphStore, job_id: str, token: str, state: JobState, error: ErrorDocument
) -> tuple[str, ...]:
    def work(tx: Transaction) -> None:
        row, now = locked(tx, job_id)
        if _ended_by_us(row, token, state):
            return
        check_held(row, token)
        change(tx, row, ended(state, now, error))

    store.write(work)
    return set_free(store, job_id)


def _ended_by_us(row: Row, token: str, state: JobState) -> bool:
    """True where our own commit went through and only its acknowledgement was lost."""
    return row["state"] == state and row.get("token") == token
