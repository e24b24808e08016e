"""Jobs that nobody works on: found, and settled many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import JobState
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.judging import (
    AS_IT_IS,
    Action,
    Judgement,
    Settled,
    judge_all,
    judged,
)
from graph_schema.store.jobs.needs import States, states_of
from graph_schema.store.jobs.node import (
    CLOCK_SLACK,
    UNSAID,
    Row,
    lapsed,
    lease_ahead,
    milliseconds,
)
from graph_schema.store.migrations import WHOLE

OWNED: LiteralString = """
MATCH (j:Job {state: 'running'})
WHERE j.owner = $owner AND ($job_id IS NULL OR j.job_id = $job_id)
RETURN j.job_id AS id ORDER BY id
"""
LAPSED: LiteralString = (
    WHOLE
    + """
MATCH (j:Job {state: 'running'})
WHERE j.lease_until <= timestamp() OR j.renewed_at > timestamp() + $slack
RETURN j.job_id AS id ORDER BY id LIMIT $limit
"""
)
RETRIES: LiteralString = (
    WHOLE
    + """
MATCH (j:Job {state: 'queued'})
WHERE j.retry_at <= timestamp() OR (j.retry_at IS NOT NULL AND j.sent_at > timestamp())
RETURN j.job_id AS id ORDER BY j.retry_at, id LIMIT $limit
"""
)
# Those that wait for their first message until what they need has ended are looked at apart.
N_QUEUED: LiteralString = (
    WHOLE
    + """
MATCH (j:Job {state: 'queued'})
WHERE j.retry_at IS NULL AND (j.sent_at IS NOT NULL OR size(coalesce(j.needs, [])) = 0)
RETURN coalesce(j.resources, $unsaid) AS resources, count(j) AS n
"""
)
QUEUED: LiteralString = """
MATCH (j:Job {state: 'queued'})
WHERE j.retry_at IS NULL AND (j.sent_at IS NOT NULL OR size(coalesce(j.needs, [])) = 0)
AND coalesce(j.resources, $unsaid) = $resources
WITH j, coalesce(j.sent_at, j.submitted_at) AS since
WITH j, since, timestamp() - since AS waited
WHERE waited >= $resend_ms OR waited < 0
RETURN j.job_id AS id, j.needs AS needs ORDER BY since, id LIMIT $limit
"""
UNSENT: LiteralString = (
    WHOLE
    + """
MATCH (j:Job {state: 'queued'})
WHERE j.retry_at IS NULL AND j.sent_at IS NULL AND size(coalesce(j.needs, [])) > 0
WITH j, timestamp() - j.submitted_at AS waited
RETURN j.job_id AS id, j.needs AS needs, waited >= $resend_ms OR waited < 0 AS late,
       coalesce(j.resources, $unsaid) AS resources
ORDER BY j.submitted_at, id
"""
)


def overdue(
    store: GraphStore, *, resend: float, depths: Mapping[str, int], limit: int = 10_000
) -> tuple[str, ...]:
    """The first jobs to `settle`: with their lease over, to be tried again, or with no message.

    One that failed for the moment has a time of its own at which it is sent again, however full the
    queue is. Of the others as many have no message as more of them are queued than messages wait
    in the broker, queue by queue: which those are nobody knows, so it is taken to be the ones that
    were sent (or submitted, where nobody sent them) longest ago, `resend` seconds at least. A
    message too many does no harm. A time that lies ahead was written before the clock was set back:
    it counts as passed, and a lease runs anew from now. None is while a backup is being restored.

    Args:
        store: The graph.
        resend: Seconds that a message may take.
        depths: Messages that waited in the broker for each thing that jobs need (`Demand.name`),
            counted before this is asked.
        limit: About how many to return.
    """

    def work(tx: Transaction) -> tuple[str, ...]:
        late = milliseconds(resend)
        found = [row["id"] for row in tx.run(LAPSED, slack=CLOCK_SLACK, limit=limit)]
        found += [row["id"] for row in tx.run(RETRIES, limit=limit)]
        unsent = tx.run(UNSENT, resend_ms=late, unsaid=UNSAID).data()
        states = states_of(tx, {need for row in unsent for need in row["needs"]})
        free = [row for row in unsent if _met(row["needs"], states)]
        queued = Counter({row["resources"]: row["n"] for row in tx.run(N_QUEUED, unsaid=UNSAID)})
        queued.update(row["resources"] for row in free)
        for resources, n in queued.items():
            missing = n - depths.get(resources, 0)
            if missing > 0:
                due = [r["id"] for r in free if r["late"] and r["resources"] == resources]
                if len(due) < missing:
                    due += _sent_long_ago(tx, resources, late, min(limit, missing - len(due)))
                found += due[:missing]
        return tuple(found)

    return store.read(work)


def _sent_long_ago(tx: Transaction, resources: str, late: int, limit: int) -> list[str]:
    asked = {"resources": resources, "unsaid": UNSAID, "resend_ms": late, "limit": limit}
    rows = tx.run(QUEUED, asked).data()
    states = states_of(tx, {need for row in rows for need in row["needs"] or ()})
    return [row["id"] for row in rows if _met(row["needs"], states)]


def _met(needs: Sequence[str] | None, states: States) -> bool:
    return all(need not in states or states[need].ended for need in needs or ())


def settle(store: GraphStore, job_id: str, *, resend: float, max_attempts: int) -> Settled:
    """Judge one job, as `settle_all` does."""
    found = settle_all(store, [job_id], resend=resend, max_attempts=max_attempts)
    return found.get(job_id, Settled(Action.NONE))


def settle_all(
    store: GraphStore, job_ids: Sequence[str], *, resend: float, max_attempts: int
) -> dict[str, Settled]:
    """Judge jobs of `overdue` again, under their locks: cancelled, failed, to be sent, or none."""
    resend_ms = milliseconds(resend)

    def decide(row: Row, now: int, states: States) -> Judgement:
        if lapsed(row, now):
            # The token stays: a worker that was only asleep may still finish, and nothing is lost.
            return judged(row, now, states, max_attempts=max_attempts)
        if JobState(row["state"]) is not JobState.QUEUED:
            return Settled(Action.NONE), lease_ahead(row, now)
        waited = now - (row.get("sent_at") or row["submitted_at"])
        retry_at = row.get("retry_at")
        late = waited >= resend_ms if retry_at is None else retry_at <= now
        due = late or waited < 0
        return judged(row, now, states, max_attempts=max_attempts) if due else AS_IT_IS

    return judge_all(store, job_ids, decide)


def release_owner(
    store: GraphStore, owner: str, *, max_attempts: int, job_id: str | None = None
) -> tuple[str, ...]:
    """Give back every job (or this one) of a worker known to be dead; returns the ids to send now.

    The attempts stay charged: the job may be what killed it. The token goes, so that a process
    that outlived its worker cannot revive the job.
    """

    def owned(tx: Transaction) -> list[str]:
        return [row["id"] for row in tx.run(OWNED, owner=owner, job_id=job_id)]

    def decide(row: Row, now: int, states: States) -> Judgement:
        if row["state"] != JobState.RUNNING or row.get("owner") != owner:
            return AS_IT_IS
        return judged(row, now, states, max_attempts=max_attempts, keep_token=False)

    found = judge_all(store, store.read(owned), decide)
    return tuple(each for settled in found.values() for each in settled.send)
