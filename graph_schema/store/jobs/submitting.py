"""Submitting: jobs of specs, created unless they are there, many in a transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import uuid4

from neo4j import Transaction

from graph_schema.documents.jobs import (
    JobRecord,
    JobSpec,
    JobState,
    Need,
    Placement,
    demand_of,
)
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.batches import lots
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.judging import (
    AS_IT_IS,
    AT_ONCE,
    Action,
    Judgement,
    Settled,
    judged,
    with_freed,
)
from graph_schema.store.jobs.needs import States, needed_as, needed_by, states_of
from graph_schema.store.jobs.node import (
    Row,
    change_all,
    locked_all,
    record_of,
    resources_of,
)

CREATE: LiteralString = """
UNWIND $rows AS row
MERGE (j:Job {job_id: row.id})
ON CREATE SET j += row.fields, j.submitted_at = timestamp()
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
    "put_off": None,
    "put_off_since": None,
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
class Asked:
    """A job that is asked for.

    `force` starts a new attempt under the same id where the job has ended.
    """

    spec: JobSpec
    placement: Placement
    needs: tuple[Need, ...] = ()
    force: bool = False


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
    """The job of `spec`, as `submit_all` makes it.

    Raises:
        SpecError: A job in `needs` does not exist.
    """
    (found,) = submit_all(store, [Asked(spec, placement, tuple(needs), force)])
    return found


def submit_all(
    store: GraphStore,
    asked: Sequence[Asked],
    also: Callable[[Transaction], None] = lambda tx: None,
) -> tuple[Submitted, ...]:
    """The jobs asked for, in this order, each created unless it is there.

    Exactly one of many submitters sends a job. One that waits for others is not sent by its
    submitter but by what ends them. A queued one gets the placement asked for, and is sent again
    where that is more or less urgent, or for other workers, or where it was put off, but keeps its
    number of shards; a running one is left alone. Their records then have another placement than
    was asked for.

    Some hundred jobs are one transaction: where this ends in the middle, those before are
    submitted, and the reconciler sends those of them that nobody has sent.

    Args:
        store: The graph.
        asked: The jobs, each once; one that another needs before that one.
        also: What is written with the first of them.

    Raises:
        SpecError: A job in `needs` does not exist.
    """
    found: list[Submitted] = []
    for batch in lots(asked, AT_ONCE):
        found += _submitted(store, batch, also if not found else lambda tx: None)
    return tuple(found)


def _submitted(
    store: GraphStore, batch: list[Asked], also: Callable[[Transaction], None]
) -> list[Submitted]:
    nonce = uuid4().hex
    by_id = {each.spec.job_id: each for each in batch}
    assert len(by_id) == len(batch), "a job is asked for twice"
    needed = {need.job_id for each in batch for need in each.needs}
    # All in one order, so that two who submit some of the same do not wait for each other.
    rows = [{"id": job_id, "fields": _created(by_id[job_id], nonce)} for job_id in sorted(by_id)]

    # Two transactions: inside the one that merges, ArcadeDB may lose sight of the node when
    # another creates it at the same moment.
    def create(tx: Transaction) -> None:
        _check_needs(tx, batch)
        also(tx)
        tx.run(CREATE, rows=rows).consume()

    def decide(tx: Transaction) -> list[tuple[Row, Settled]]:
        found, now = locked_all(tx, list(by_id))
        if len(found) < len(batch):
            raise NotFoundError("a job was deleted while it was asked for; ask again")
        # What they need as they are, and as they will be where they begin anew.
        states = states_of(tx, needed_by(found) | needed)
        changes: dict[str, Row] = {}
        decided: list[tuple[Row, Settled]] = []
        for row in found:
            job_id = row["job_id"]
            settled, changed = _decided(row, by_id[job_id], nonce, now, states)
            row.update(changed)
            if changed:
                changes[job_id] = changed
            states[job_id] = needed_as(row, states)  # for those after it that need it
            decided.append((row, settled))
        change_all(tx, changes)
        return decided

    store.write(create)
    decided = store.write(decide)
    for row, settled in decided:
        with_freed(store, row["job_id"], settled)
    return [Submitted(record_of(row), settled.action is Action.SEND) for row, settled in decided]


def _check_needs(tx: Transaction, batch: Iterable[Asked]) -> None:
    known = {*states_of(tx, {need.job_id for each in batch for need in each.needs})}
    for each in batch:
        if absent := [need.job_id for need in each.needs if need.job_id not in known]:
            raise SpecError(
                f"job {each.spec.job_id[:12]} needs job {absent[0]!r}, which does not exist; "
                "submit that one first"
            )
        known.add(each.spec.job_id)


def _placed(asked: Asked, nonce: str) -> Row:
    placement = asked.placement.canonical_json()
    return {
        "placement": placement,
        "resources": demand_of(placement).name,
        "needs": [need.job_id for need in asked.needs],
        "needs_on_failure": [need.on_failure for need in asked.needs],
        "part_of": asked.spec.part_of,
        "nonce": nonce,
    }


def _created(asked: Asked, nonce: str) -> Row:
    fields = {
        **FRESH,
        **_placed(asked, nonce),
        "kind": asked.spec.kind_name(),
        "spec": asked.spec.canonical_json(),
        "circuit_ids": [],
    }
    return {key: value for key, value in fields.items() if value is not None}


def _decided(row: Row, asked: Asked, nonce: str, now: int, states: States) -> Judgement:
    """What becomes of a locked job that was asked for; `row` is as it was before."""
    changes: Row = {}
    if row["nonce"] != nonce and asked.force and JobState(row["state"]).ended:
        changes = FRESH | _placed(asked, nonce) | {"submitted_at": now}
        row = row | changes
    queued = row["state"] == JobState.QUEUED
    if row["nonce"] != nonce:
        return _placed_anew(row, asked.placement, now) if queued else AS_IT_IS
    if not queued or row.get("sent_at") is not None:
        return Settled(Action.NONE), changes
    settled, more = judged(row, now, states, max_attempts=None)
    return settled, changes | more


def _placed_anew(row: Row, placement: Placement, now: int) -> Judgement:
    """Give a queued job another placement; it is sent again where its message says otherwise.

    One that was put off is tried at once: who asks for it again may have made room.
    """
    placed = json.loads(row["placement"])
    # What it needs goes by its shards, and is as it was.
    asked = placement.model_copy(update={"shards": placed.get("shards", 1)}).canonical_json()
    before = placed.get("priority"), resources_of(row)
    resources = demand_of(asked).name
    changes: Row = {}
    if row["placement"] != asked:
        changes = {"placement": asked, "resources": resources}
    if row.get("retry_at") is not None:
        return Settled(Action.SEND, (row["job_id"],)), changes | {"retry_at": None, "sent_at": now}
    if before == (placement.priority, resources) or row.get("sent_at") is None:
        return Settled(Action.NONE), changes
    return Settled(Action.SEND, (row["job_id"],)), changes
