"""Jobs that nobody works on: found, judged one by one, and what waited for them set free."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import ErrorDocument, JobState
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.node import (
    CANCELLED,
    Row,
    Standing,
    change,
    ended,
    lapsed,
    locked,
    milliseconds,
    queued_again,
    standing_of,
    states_of,
)

WAITING: LiteralString = """
MATCH (j:Job {state: 'queued'}) WHERE $job_id IN j.needs RETURN j.job_id AS id ORDER BY id
"""
OWNED: LiteralString = """
MATCH (j:Job {state: 'running'})
WHERE j.owner = $owner AND ($job_id IS NULL OR j.job_id = $job_id)
RETURN j.job_id AS id ORDER BY id
"""
QUEUED: LiteralString = """
MATCH (j:Job {state: 'queued'})
WITH j, timestamp() - coalesce(j.sent_at, j.submitted_at) AS waited
WHERE waited >= $resend_ms OR waited < 0
RETURN j.job_id AS id, j.needs AS needs ORDER BY j.submitted_at, id
"""
LAPSED: LiteralString = """
MATCH (j:Job {state: 'running'}) WHERE j.lease_until <= timestamp()
RETURN j.job_id AS id ORDER BY id
"""


class Action(StrEnum):
    """What became of a job that was looked at."""

    NONE = "none"
    SEND = "send"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Settled:
    """What became of a job, and the ids to send: its own and those it set free."""

    action: Action
    send: tuple[str, ...] = ()


def overdue(store: GraphStore, *, resend: float, queue_empty: bool) -> tuple[str, ...]:
    """The jobs to `settle`: running with their lease over, or queued and perhaps undelivered.

    A queued job counts when the broker's queue is empty, `resend` seconds have passed since it was
    sent (or submitted, where nobody sent it), and all it needs has ended. A time that lies ahead
    was written before the clock was set back, and counts as passed.
    """

    def work(tx: Transaction) -> tuple[str, ...]:
        lapsed = [row["id"] for row in tx.run(LAPSED)]
        if not queue_empty:
            return tuple(lapsed)
        queued = [
            (row["id"], row["needs"]) for row in tx.run(QUEUED, resend_ms=milliseconds(resend))
        ]
        states = states_of(tx, {need for _, needs in queued for need in needs or ()})
        due = [
            job_id
            for job_id, needs in queued
            if all(need not in states or states[need].ended for need in needs or ())
        ]
        return (*lapsed, *due)

    return store.read(work)


def settle(store: GraphStore, job_id: str, *, resend: float, max_attempts: int) -> Settled:
    """Judge one job of `overdue` again, under its lock: cancelled, failed, to be sent, or none."""

    def work(tx: Transaction) -> Settled:
        row, now = locked(tx, job_id)
        state = JobState(row["state"])
        if lapsed(row, now):
            # The token stays: a worker that was only asleep may still finish, and nothing is lost.
            return judge(tx, row, now, max_attempts=max_attempts)
        waited = now - (row.get("sent_at") or row["submitted_at"])
        if state is JobState.QUEUED and (waited >= milliseconds(resend) or waited < 0):
            return judge(tx, row, now, max_attempts=max_attempts)
        return Settled(Action.NONE)

    return with_freed(store, job_id, store.write(work))


def release_owner(
    store: GraphStore, owner: str, *, max_attempts: int, job_id: str | None = None
) -> tuple[str, ...]:
    """Give back every job (or this one) of a worker known to be dead; returns the ids to send now.

    The attempts stay charged: the job may be what killed it. The token goes, so that a process
    that outlived its worker cannot revive the job.
    """

    def owned(tx: Transaction) -> list[str]:
        return [row["id"] for row in tx.run(OWNED, owner=owner, job_id=job_id)]

    send: list[str] = []
    for owned_id in store.read(owned):

        def work(tx: Transaction, owned_id: str = owned_id) -> Settled:
            row, now = locked(tx, owned_id)
            if row["state"] != JobState.RUNNING or row.get("owner") != owner:
                return Settled(Action.NONE)
            return judge(tx, row, now, max_attempts=max_attempts, keep_token=False)

        send.extend(with_freed(store, owned_id, store.write(work)).send)
    return tuple(send)


def set_free(store: GraphStore, job_id: str) -> tuple[str, ...]:
    """Judge what waited for `job_id`, which has ended; returns the ids to send now.

    A job that needed it to end well fails with it, and so on down the line.
    """

    def waiting(tx: Transaction) -> list[str]:
        return [row["id"] for row in tx.run(WAITING, job_id=job_id)]

    send: list[str] = []
    for dependant in store.read(waiting):

        def work(tx: Transaction, dependant: str = dependant) -> Settled:
            row, now = locked(tx, dependant)
            if row["state"] != JobState.QUEUED or row.get("sent_at") is not None:
                return Settled(Action.NONE)
            return judge(tx, row, now, max_attempts=None)

        send.extend(with_freed(store, dependant, store.write(work)).send)
    return tuple(send)


def judge(
    tx: Transaction, row: Row, now: int, *, max_attempts: int | None, keep_token: bool = True
) -> Settled:
    """What becomes of a locked job that nobody works on: cancelled, failed, or queued and sent."""
    if row["cancel_requested"]:
        change(tx, row, ended(JobState.CANCELLED, now, CANCELLED))
        return Settled(Action.CANCELLED)
    if max_attempts is not None and row["attempts"] >= max_attempts:
        died = ErrorDocument(
            type="JobFailed",
            message=f"worker died {row['attempts']} times on this job; look at the worker's log "
            "(out of memory?), then submit it again",
        )
        change(tx, row, ended(JobState.FAILED, now, died))
        return Settled(Action.FAILED)
    standing, why = standing_of(tx, row)
    if standing is Standing.FAILED:
        change(tx, row, ended(JobState.FAILED, now, ErrorDocument(type="JobFailed", message=why)))
        return Settled(Action.FAILED)
    if standing is Standing.WAITING:
        return Settled(Action.NONE)
    change(tx, row, queued_again(now) | ({} if keep_token else {"token": None}))
    return Settled(Action.SEND, (row["job_id"],))


def with_freed(store: GraphStore, job_id: str, settled: Settled) -> Settled:
    """`settled`, and what the job's end set free with it."""
    if settled.action in (Action.FAILED, Action.CANCELLED):
        return Settled(settled.action, (*settled.send, *set_free(store, job_id)))
    return settled
