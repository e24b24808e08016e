"""What a client asks of jobs that are there: cancel, get, list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.base import LAST
from graph_schema.documents.jobs import SHARD_KIND, JobRecord, JobState
from graph_schema.errors import NotFoundError
from graph_schema.printable import quoted
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.judging import set_free
from graph_schema.store.jobs.needs import states_of
from graph_schema.store.jobs.node import (
    CANCELLED,
    UNSAID,
    Row,
    change,
    ended,
    lapsed,
    locked,
    milliseconds,
    record_of,
)

BY_PREFIX: LiteralString = """
MATCH (j:Job) WHERE j.job_id STARTS WITH $prefix
RETURN properties(j) AS job ORDER BY j.job_id LIMIT 2
"""
THESE: LiteralString = """
UNWIND $job_ids AS id MATCH (j:Job {job_id: id}) RETURN properties(j) AS job
"""
LIST: LiteralString = """
MATCH (j:Job) WHERE j.state IN $states AND j.submitted_at >= $since AND NOT j.kind IN $without
AND ($kind IS NULL OR j.kind = $kind)
RETURN properties(j) AS job ORDER BY j.submitted_at DESC, j.job_id SKIP $skip LIMIT $limit
"""
LIVE: LiteralString = """
MATCH (j:Job) WHERE j.state IN ['queued', 'running'] RETURN count(j) AS n
"""

READY: LiteralString = """
MATCH (j:Job {state: 'queued'})
WHERE coalesce(j.resources, $unsaid) IN $resources AND j.retry_at IS NULL
AND (j.sent_at IS NOT NULL OR size(coalesce(j.needs, [])) = 0)
RETURN count(j) AS n
"""
ANY_RUNNING: LiteralString = "MATCH (j:Job {state: 'running'}) RETURN j.job_id AS id LIMIT 1"
ANY_QUEUED: LiteralString = """
MATCH (j:Job {state: 'queued'})
WHERE coalesce(j.resources, $unsaid) IN $resources
AND (j.sent_at IS NOT NULL OR size(coalesce(j.needs, [])) = 0)
RETURN j.job_id AS id LIMIT 1
"""
UNSENT_NEEDS: LiteralString = """
MATCH (j:Job {state: 'queued'})
WHERE coalesce(j.resources, $unsaid) IN $resources
AND j.sent_at IS NULL AND size(coalesce(j.needs, [])) > 0
RETURN DISTINCT j.needs AS needs
"""
WORKING: LiteralString = """
MATCH (j:Job {state: 'running'}) WHERE j.lease_until > timestamp() RETURN count(j) AS n
"""


def cancel(store: GraphStore, job_id: str) -> tuple[JobRecord, tuple[str, ...]]:
    """Cancel a queued job at once, ask a running one to stop; an ended one stays as it is.

    A running one whose lease is over is cancelled at once: nobody may be there to see the asking.
    Returns the job, and the ids of the jobs to send now.

    Raises:
        NotFoundError: No job has this id.
    """

    def work(tx: Transaction) -> tuple[JobRecord, bool]:
        row, now = locked(tx, job_id)
        state = JobState(row["state"])
        at_once = state is JobState.QUEUED or lapsed(row, now)
        if at_once:
            end = ended(JobState.CANCELLED, now, CANCELLED) | {"cancel_requested": True}
            change(tx, row, end)
        elif state is JobState.RUNNING:
            change(tx, row, {"cancel_requested": True})
        return record_of(row), at_once

    record, at_once = store.write(work)
    return record, set_free(store, job_id) if at_once else ()


def get(store: GraphStore, job_id: str) -> JobRecord:
    """The job with this id, or with the one id that starts so; `last` is the latest submitted.

    Raises:
        NotFoundError: No job, or more than one.
    """
    if job_id == LAST:
        if newest := list_jobs(store, limit=1):
            return newest[0]
        raise NotFoundError("there is no last job: none is stored")

    def work(tx: Transaction) -> list[Row]:
        return [row["job"] for row in tx.run(BY_PREFIX, prefix=job_id)]

    found = store.read(work)
    if len(found) == 2 and found[0]["job_id"] != job_id:
        raise NotFoundError(f"job {job_id!r} is the start of more than one id; give more of it")
    if not found or not job_id:
        raise NotFoundError(f"no job has the id {quoted(job_id)}; `circuits jobs` lists them")
    return record_of(found[0])


def get_all(store: GraphStore, job_ids: Sequence[str]) -> tuple[JobRecord, ...]:
    """The jobs with these ids, in this order; those that are not there are left out."""

    def work(tx: Transaction) -> dict[str, JobRecord]:
        records = [record_of(row["job"]) for row in tx.run(THESE, job_ids=list(job_ids))]
        return {record.job_id: record for record in records}

    found = store.read(work)
    return tuple(found[job_id] for job_id in job_ids if job_id in found)


def states(store: GraphStore, job_ids: Iterable[str]) -> dict[str, JobState]:
    """The states of these jobs; those that are not there are left out."""
    ids = set(job_ids)
    found = store.read(lambda tx: states_of(tx, ids)) if ids else {}
    return {job_id: each.state for job_id, each in found.items()}


def list_jobs(
    store: GraphStore,
    *,
    states: Sequence[JobState] = tuple(JobState),
    limit: int = 100,
    skip: int = 0,
    since: float = 0.0,
    kind: str | None = None,
) -> tuple[JobRecord, ...]:
    """The newest jobs in one of `states`, newest first, but for the first `skip`.

    `since`: submitted then or later, seconds since 1970. `kind`: of this kind; None for all but
    shards, which are a part of others.
    """
    wanted: Row = {"limit": limit, "skip": skip, "since": milliseconds(since)}
    wanted |= {"kind": kind, "without": [SHARD_KIND] if kind is None else []}

    def work(tx: Transaction) -> tuple[JobRecord, ...]:
        rows = tx.run(LIST, {"states": [state.value for state in states], **wanted})
        return tuple(record_of(row["job"]) for row in rows)

    return store.read(work)


def count_live(store: GraphStore) -> int:
    """How many jobs are queued or running."""
    return store.read(lambda tx: int(tx.run(LIVE).single(strict=True)["n"]))


def count_waiting(store: GraphStore, resources: Sequence[str]) -> int:
    """How many jobs wait for a worker that has one of these (`Demand.name`), and for nothing else.

    One that is to be tried again waits for its time.
    """
    asked = {"resources": list(resources), "unsaid": UNSAID}
    return store.read(lambda tx: int(tx.run(READY, asked).single(strict=True)["n"]))


def any_to_do(store: GraphStore, resources: Sequence[str]) -> bool:
    """Whether a job runs, or waits for a worker that has one of these (`Demand.name`).

    Also one that was put off; not one that waits for another which nobody does. As quick where
    thousands are queued, as long as one of them can be done.
    """
    asked = {"resources": list(resources), "unsaid": UNSAID}

    def work(tx: Transaction) -> bool:
        if tx.run(ANY_RUNNING).single() or tx.run(ANY_QUEUED, asked).single():
            return True
        needs = [row["needs"] for row in tx.run(UNSENT_NEEDS, asked)]
        found = states_of(tx, {each for of_one in needs for each in of_one})
        # Somebody may have died between the end of what a job needs and its message.
        return any(all(e not in found or found[e].ended for e in of_one) for of_one in needs)

    return store.read(work)


def anybody_works(store: GraphStore) -> bool:
    """Whether a job is running whose worker has given a sign of life within its lease."""
    return store.read(lambda tx: int(tx.run(WORKING).single(strict=True)["n"])) > 0
