"""A job that goes back to the queue: its worker stops, or met an error that may pass.

What passes is nobody's fault, so neither is charged an attempt: those count workers that died. A
job that is put off is tried again after pauses that grow, and fails with its error only when it has
been tried often enough and for long enough: an outage is outlived, and what never passes ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neo4j import Transaction

from graph_schema.documents.jobs import ErrorDocument, JobState
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.judging import Action, Judgement, Settled, with_freed
from graph_schema.store.jobs.node import (
    CANCELLED,
    Row,
    change,
    check_held,
    ended,
    locked,
    milliseconds,
    queued_again,
)

LONGEST_PAUSE = 600.0
"""So soon after an outage all that it put off is tried, in seconds."""


@dataclass(frozen=True)
class Patience:
    """How long a job is tried again that meets what may pass.

    Args:
        tries: It is given up after so many at the earliest, those in which a worker died counted.
        seconds: And so long after the first of them at the earliest.
        pause: After the first try; each next pause is twice the one before, up to `LONGEST_PAUSE`.
    """

    tries: int = 3
    seconds: float = 3600.0
    pause: float = 10.0

    def pause_after(self, times: int) -> float:
        """Seconds until a job is tried that was put off `times` times before."""
        return min(max(LONGEST_PAUSE, self.pause), self.pause * 2.0 ** min(times, 30))

    def is_over(self, row: Row, now: int) -> bool:
        """Whether a job is given up that meets such an error once more."""
        waited = now - _put_off_since(row, now)
        tries = row["attempts"] + (row.get("put_off") or 0)
        return tries >= self.tries and waited >= milliseconds(self.seconds)


def release(store: GraphStore, job_id: str, token: str) -> Settled:
    """Give back the job of a worker that stops, to be sent at once.

    Raises:
        LeaseLost: Another worker owns the job, or it has ended.
    """

    def decide(row: Row, now: int) -> Judgement:
        # The message may reach the very worker that stops; any reconciler then sends another.
        return Settled(Action.SEND, (job_id,)), _back(row, now) | {"sent_at": None}

    return _given_back(store, job_id, token, decide)


def put_off(
    store: GraphStore, job_id: str, token: str, error: ErrorDocument, patience: Patience
) -> Settled:
    """Give a job back that met an error that may pass; where patience is over, it fails with it.

    The reconciler sends it when its pause has passed.

    Raises:
        LeaseLost: Another worker owns the job, or it has ended.
    """

    def decide(row: Row, now: int) -> Judgement:
        if patience.is_over(row, now):
            return Settled(Action.FAILED), ended(JobState.FAILED, now, error)
        times = row.get("put_off") or 0
        waits: Row = {
            "retry_at": now + milliseconds(patience.pause_after(times)),
            "put_off": times + 1,
            "put_off_since": _put_off_since(row, now),
            "error_type": error.type,
            "error_message": error.message,
        }
        return Settled(Action.NONE), _back(row, now) | waits

    return _given_back(store, job_id, token, decide)


def _given_back(
    store: GraphStore, job_id: str, token: str, decide: Callable[[Row, int], Judgement]
) -> Settled:
    """What is decided of a job that its worker gives back; one to be cancelled is cancelled."""

    def work(tx: Transaction) -> Settled:
        row, now = locked(tx, job_id)
        check_held(row, token)
        if row["cancel_requested"]:
            settled, changes = Settled(Action.CANCELLED), ended(JobState.CANCELLED, now, CANCELLED)
        else:
            settled, changes = decide(row, now)
        change(tx, row, changes)
        return settled

    return with_freed(store, job_id, store.write(work))


def _put_off_since(row: Row, now: int) -> int:
    """When the job was first put off; now where that lies ahead: the clock was set back since."""
    return min(row.get("put_off_since") or now, now)


def _back(row: Row, now: int) -> Row:
    """Queued and charged nothing."""
    return queued_again(now) | {"token": None, "attempts": max(row["attempts"] - 1, 0)}
