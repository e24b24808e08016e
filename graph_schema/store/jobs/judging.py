"""What becomes of jobs that nobody works on: judged many at a time, each under its lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import SHARD_KIND, ErrorDocument, JobState
from graph_schema.store.batches import lots
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.needs import Standing, States, needed_by, standing, states_of
from graph_schema.store.jobs.node import (
    CANCELLED,
    Row,
    change_all,
    ended,
    lapsed,
    locked_all,
    queued_again,
    resources_of,
)

WAITING: LiteralString = """
MATCH (j:Job {state: 'queued'}) WHERE $job_id IN j.needs RETURN j.job_id AS id ORDER BY id
"""

BADLY: LiteralString = """
MATCH (j:Job {job_id: $job_id}) WHERE j.state IN ['failed', 'cancelled'] RETURN j.needs AS needs
"""
# A statement of its own: ArcadeDB finds no node by what UNWIND takes out of another one.
LIVE_SHARDS: LiteralString = """
MATCH (s:Job) WHERE s.job_id IN $ids AND s.kind = $shard AND s.state IN ['queued', 'running']
RETURN s.job_id AS id ORDER BY id
"""
LIVE_PARTS: LiteralString = """
MATCH (s:Job) WHERE s.part_of = $job_id AND s.state IN ['queued', 'running']
RETURN s.job_id AS id ORDER BY id
"""

AT_ONCE = 500
"""Jobs judged in one transaction: it holds all their locks, and must stay short."""


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


Judgement = tuple[Settled, Row]
"""What becomes of a job, and what is to be written to it for that."""
Decision = Callable[[Row, int, States], Judgement]
"""Of a locked job, the database's clock in milliseconds, and the states of what is needed."""

AS_IT_IS: Judgement = (Settled(Action.NONE), {})


def judged(
    row: Row, now: int, states: States, *, max_attempts: int | None, keep_token: bool = True
) -> Judgement:
    """What becomes of a job that nobody works on: cancelled, failed, or queued and sent."""
    if row["cancel_requested"]:
        return Settled(Action.CANCELLED), ended(JobState.CANCELLED, now, CANCELLED)
    if max_attempts is not None and row["attempts"] >= max_attempts:
        died = ErrorDocument(
            type="JobFailed",
            message=f"worker died {row['attempts']} times on this job; look at the worker's log "
            "(out of memory?), then submit it again",
        )
        return Settled(Action.FAILED), ended(JobState.FAILED, now, died)
    stands, why = standing(row, states)
    if stands is Standing.FAILED and why is not None:
        failed = ended(JobState.FAILED, now, why.error) | {"failed_need": why.root}
        return Settled(Action.FAILED), failed
    if stands is Standing.WAITING:
        return AS_IT_IS
    # Anew where its queue is not known: an earlier version may have submitted it.
    sent = queued_again(now) | {"resources": resources_of(row)}
    sent |= {} if keep_token else {"token": None}
    return Settled(Action.SEND, (row["job_id"],)), sent


def judge_all(store: GraphStore, job_ids: Sequence[str], decide: Decision) -> dict[str, Settled]:
    """What became of these jobs, each judged again under its lock; the ids of no job are left out.

    The ids to send with one that ended are those it set free.
    """
    found: dict[str, Settled] = {}
    for batch in lots(job_ids, AT_ONCE):

        def work(tx: Transaction, batch: list[str] = batch) -> dict[str, Settled]:
            rows, now = locked_all(tx, batch)
            states = states_of(tx, needed_by(rows))
            judgements = [(row["job_id"], *decide(row, now, states)) for row in rows]
            change_all(tx, {job_id: changes for job_id, _, changes in judgements if changes})
            return {job_id: settled for job_id, settled, _ in judgements}

        found |= store.write(work)
    return {job_id: with_freed(store, job_id, settled) for job_id, settled in found.items()}


def set_free(store: GraphStore, job_id: str) -> tuple[str, ...]:
    """Judge what waited for `job_id`, which has ended; returns the ids to send now.

    A job that needed it to end well fails with it, and so on down the line. Where it ended badly
    its own shards, which nobody else needs, are cancelled.
    """

    def waiting(tx: Transaction) -> list[str]:
        return [row["id"] for row in tx.run(WAITING, job_id=job_id)]

    _end_shards(store, job_id)

    def decide(row: Row, now: int, states: States) -> Judgement:
        if row["state"] != JobState.QUEUED or row.get("sent_at") is not None:
            return AS_IT_IS
        return judged(row, now, states, max_attempts=None)

    found = judge_all(store, store.read(waiting), decide)
    return tuple(each for settled in found.values() for each in settled.send)


def _end_shards(store: GraphStore, job_id: str) -> None:
    """Cancel the live shards of a job that ended badly; one that runs ends at its next step."""

    def live(tx: Transaction) -> list[str]:
        row = tx.run(BADLY, job_id=job_id).single()
        if row is None:
            return []
        found = {row["id"] for row in tx.run(LIVE_PARTS, job_id=job_id)}
        if needs := row["needs"]:  # those of an earlier version do not say whose they are
            found |= {row["id"] for row in tx.run(LIVE_SHARDS, ids=needs, shard=SHARD_KIND)}
        return sorted(found)

    def end(tx: Transaction) -> None:
        rows, now = locked_all(tx, [job_id, *shards])
        if not rows or rows[0]["job_id"] != job_id or not _ended_badly(rows[0]):
            return  # somebody has submitted it again meanwhile
        _cancel(tx, rows[1:], now)

    if shards := store.read(live):
        store.write(end)


def end_strays(store: GraphStore, job_id: str, shards: Collection[str]) -> None:
    """Cancel those of these shards of a job that it does not need: it is in others, or in none."""

    def end(tx: Transaction) -> None:
        rows, now = locked_all(tx, [job_id, *shards])
        if rows and rows[0]["job_id"] == job_id:
            needed = needed_by(rows[:1])
            _cancel(tx, [row for row in rows[1:] if row["job_id"] not in needed], now)

    store.write(end)


def _cancel(tx: Transaction, rows: Iterable[Row], now: int) -> None:
    """Cancel the locked jobs that are live: at once, or where one runs at its next step."""
    changes: dict[str, Row] = {}
    for row in rows:
        if JobState(row["state"]) is JobState.QUEUED or lapsed(row, now):
            end = ended(JobState.CANCELLED, now, CANCELLED)
            changes[row["job_id"]] = end | {"cancel_requested": True}
        elif JobState(row["state"]) is JobState.RUNNING:
            changes[row["job_id"]] = {"cancel_requested": True}
    change_all(tx, changes)


def _ended_badly(row: Row) -> bool:
    return JobState(row["state"]) in (JobState.FAILED, JobState.CANCELLED)


def with_freed(store: GraphStore, job_id: str, settled: Settled) -> Settled:
    """`settled`, and what the job's end set free with it."""
    if settled.action in (Action.FAILED, Action.CANCELLED):
        return Settled(settled.action, (*settled.send, *set_free(store, job_id)))
    return settled
