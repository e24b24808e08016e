"""What a client asks: submit, cancel, get, list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import uuid4

from neo4j import Transaction

from graph_schema.documents.base import LAST
from graph_schema.documents.jobs import (
    JobRecord,
    JobSpec,
    JobState,
    Need,
    Placement,
    demand_of,
)
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.judging import Action, Settled, judge, set_free, with_freed
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
    resources_of,
    states_of,
)

CREATE: LiteralString = """
MERGE (j:Job {job_id: $job_id})
ON CREATE SET j += $fields, j.submitted_at = timestamp()
"""
BY_PREFIX: LiteralString = """
MATCH (j:Job) WHERE j.job_id STARTS WITH $prefix
RETURN properties(j) AS job ORDER BY j.job_id LIMIT 2
"""
THESE: LiteralString = """
UNWIND $job_ids AS id MATCH (j:Job {job_id: id}) RETURN properties(j) AS job
"""
LIST: LiteralString = """
MATCH (j:Job) WHERE j.state IN $states AND j.submitted_at >= $since
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
WORKING: LiteralString = """
MATCH (j:Job {state: 'running'}) WHERE j.lease_until > timestamp() RETURN count(j) AS n
"""

# What a new attempt must not inherit; null removes a property.
FRESH: dict[str, Any] = {
    "state": JobState.QUEUED.value,
    "attempts": 0,
    "token": None,
    "owner": None,
    "lease_until": None,
    "renewed_at": None,
    "sent_at": None,
    "retry_at": None,
    "cancel_requested": False,
    "error_type": None,
    "error_message": None,
    "failed_need": None,
    "progress_stage": None,
    "progress_done": None,
    "progress_total": None,
    "started_at": None,
    "finished_at": None,
}


@dataclass(frozen=True)
class Submitted:
    """The job as it stands, and whether this caller is the one that sends its message."""

    record: JobRecord
    send: bool


def submit(
    store: GraphStore,
    spec: JobSpec,
    placement: Placement,
    *,
    needs: Sequence[Need] = (),
    force: bool = False,
) -> Submitted:
    """The job of `spec`, created unless it is there; exactly one of many submitters sends it.

    A job that waits for others is not sent by its submitter but by what ends them. `force` starts
    a new attempt under the same id where the job has ended. A queued one gets this placement, and
    is sent again where that is more or less urgent, or for other workers; a running one is left
    alone, and its record then has another placement than was asked for.

    Raises:
        SpecError: A job in `needs` does not exist.
    """
    nonce = uuid4().hex
    placed = {
        "placement": placement.canonical_json(),
        "resources": demand_of(placement.canonical_json()).name,
        "needs": [need.job_id for need in needs],
        "needs_on_failure": [need.on_failure for need in needs],
        "nonce": nonce,
    }
    created = {
        key: value
        for key, value in {
            **FRESH,
            **placed,
            "kind": spec.kind_name(),
            "spec": spec.canonical_json(),
            "circuit_ids": [],
        }.items()
        if value is not None
    }

    # Two transactions: inside the one that merges, ArcadeDB may lose sight of the node when
    # another creates it at the same moment.
    def create(tx: Transaction) -> None:
        known = states_of(tx, {need.job_id for need in needs})
        if absent := [need.job_id for need in needs if need.job_id not in known]:
            raise SpecError(
                f"job {spec.job_id[:12]} needs job {absent[0]!r}, which does not exist; submit "
                "that one first"
            )
        tx.run(CREATE, job_id=spec.job_id, fields=created).consume()

    def decide(tx: Transaction) -> tuple[Row, Settled]:
        row, now = locked(tx, spec.job_id)
        if row["nonce"] != nonce and force and JobState(row["state"]).ended:
            change(tx, row, FRESH | placed | {"submitted_at": now})
        queued = row["state"] == JobState.QUEUED
        if row["nonce"] != nonce:
            return row, _placed_anew(tx, row, placement) if queued else Settled(Action.NONE)
        if not queued or row.get("sent_at") is not None:
            return row, Settled(Action.NONE)
        return row, judge(tx, row, now, max_attempts=None)

    store.write(create)
    row, settled = store.write(decide)
    with_freed(store, spec.job_id, settled)
    return Submitted(record_of(row), send=settled.action is Action.SEND)


def _placed_anew(tx: Transaction, row: Row, placement: Placement) -> Settled:
    """Give a queued job another placement; it is sent again where its message says otherwise."""
    asked = placement.canonical_json()
    if row["placement"] == asked:
        return Settled(Action.NONE)
    before = json.loads(row["placement"]).get("priority"), resources_of(row)
    change(tx, row, {"placement": asked, "resources": demand_of(asked).name})
    has_message = row.get("sent_at") is not None and row.get("retry_at") is None
    if before == (placement.priority, row["resources"]) or not has_message:
        return Settled(Action.NONE)
    return Settled(Action.SEND, (row["job_id"],))


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
        raise NotFoundError(f"no job has the id {job_id!r}; `circuits jobs` lists them")
    return record_of(found[0])


def get_all(store: GraphStore, job_ids: Sequence[str]) -> tuple[JobRecord, ...]:
    """The jobs with these ids, in this order; those that are not there are left out."""

    def work(tx: Transaction) -> dict[str, JobRecord]:
        records = [record_of(row["job"]) for row in tx.run(THESE, job_ids=list(job_ids))]
        return {record.job_id: record for record in records}

    found = store.read(work)
    return tuple(found[job_id] for job_id in job_ids if job_id in found)


def list_jobs(
    store: GraphStore,
    *,
    states: Sequence[JobState] = tuple(JobState),
    limit: int = 100,
    skip: int = 0,
    since: float = 0.0,
) -> tuple[JobRecord, ...]:
    """The newest jobs in one of `states`, newest first, but for the first `skip`.

    `since`: submitted then or later, seconds since 1970.
    """
    wanted = {"limit": limit, "skip": skip, "since": milliseconds(since)}

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


def anybody_works(store: GraphStore) -> bool:
    """Whether a job is running whose worker has given a sign of life within its lease."""
    return store.read(lambda tx: int(tx.run(WORKING).single(strict=True)["n"])) > 0
