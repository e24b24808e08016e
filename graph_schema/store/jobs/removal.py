"""Jobs removed from the record: ended ones alone, which nobody waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import JobState
from graph_schema.errors import SpecError
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.node import change, lock, milliseconds, read_locked

_LIVE: LiteralString = """
MATCH (j:Job) WHERE j.state IN ['queued', 'running']
  AND any(id IN $ids WHERE j.job_id = id OR id IN j.needs OR j.spec CONTAINS id)
RETURN j.job_id AS id ORDER BY id
"""
_KNOWN: LiteralString = """
MATCH (j:Job) WHERE j.job_id IN $ids RETURN j.job_id AS id ORDER BY id
"""
_FAILED: LiteralString = """
MATCH (j:Job) WHERE j.state IN ['failed', 'cancelled'] AND j.finished_at < timestamp() - $ms
RETURN j.job_id AS id ORDER BY id
"""
_THAT_FOUND: LiteralString = """
MATCH (j:Job) WHERE any(id IN coalesce(j.circuit_ids, []) WHERE id STARTS WITH $prefix)
RETURN j.job_id AS id ORDER BY id
"""
_NEEDS: LiteralString = "MATCH (j:Job) WHERE j.job_id IN $ids RETURN j.needs AS needs"
_SHARDS: LiteralString = """
MATCH (s:Job) WHERE s.job_id IN $ids AND s.kind = 'shard' RETURN s.job_id AS id ORDER BY id
"""
_PARTS: LiteralString = "MATCH (s:Job) WHERE s.part_of IN $ids RETURN s.job_id AS id ORDER BY id"
_REMOVE: LiteralString = "MATCH (j:Job {job_id: $job_id}) DETACH DELETE j"


def live_on(store: GraphStore, ids: Sequence[str]) -> tuple[str, ...]:
    """The live jobs that are one of these, or need or name one: a job, a circuit, a role test."""
    return tuple(row["id"] for row in store.rows(_LIVE, ids=list(ids)))


def known(store: GraphStore, ids: Sequence[str]) -> tuple[str, ...]:
    """Those of these ids that are jobs."""
    return tuple(row["id"] for row in store.rows(_KNOWN, ids=list(ids)))


def shards_of_jobs(store: GraphStore, ids: Sequence[str]) -> tuple[str, ...]:
    """The jobs that score parts of these, in whatever number of shards: nobody else needs them.

    Those that an earlier version submitted do not say whose they are: they are found by who needs
    them.
    """
    needs = {need for row in store.rows(_NEEDS, ids=list(ids)) for need in row["needs"] or ()}
    found = store.rows(_SHARDS, ids=sorted(needs)) if needs else []
    found += store.rows(_PARTS, ids=list(ids))
    return tuple(sorted({row["id"] for row in found}))


def failed_before(store: GraphStore, seconds: float) -> tuple[str, ...]:
    """The jobs that failed or were cancelled longer ago than this."""
    return tuple(row["id"] for row in store.rows(_FAILED, ms=milliseconds(seconds)))


def that_found(store: GraphStore, prefix: str) -> tuple[str, ...]:
    """The jobs whose record names a circuit with an id that starts so."""
    return tuple(row["id"] for row in store.rows(_THAT_FOUND, prefix=prefix)) if prefix else ()


def remove(
    store: GraphStore, job_id: str, *, ended_for: float = 0.0, unless_succeeded: bool = False
) -> bool:
    """Remove a job from the record that ended so many seconds ago; False where there is none.

    Args:
        store: The graph.
        job_id: The job.
        ended_for: Seconds.
        unless_succeeded: One that ended well counts as none.

    Raises:
        SpecError: It is live.
    """

    def work(tx: Transaction) -> bool:
        if not lock(tx, job_id):
            return False
        row, now = read_locked(tx, job_id)
        if not JobState(row["state"]).ended:
            raise SpecError(f"job {job_id[:12]} is {row['state']}: `circuits cancel` it first")
        if unless_succeeded and row["state"] == JobState.SUCCEEDED:
            return False
        if now - (row.get("finished_at") or 0) < milliseconds(ended_for):
            return False
        tx.run(_REMOVE, job_id=job_id).consume()
        return True

    return store.write(work)


def forget_circuit(store: GraphStore, job_id: str, circuit_id: str) -> None:
    """Say of a job that has found several circuits that one of them is no more."""

    def work(tx: Transaction) -> None:
        if lock(tx, job_id):
            row, _ = read_locked(tx, job_id)
            left = [each for each in row.get("circuit_ids") or () if each != circuit_id]
            change(tx, row, {"circuit_ids": left})

    store.write(work)
