"""Workers that are live: each says again and again that it is, and what it serves.

Nothing is decided by it: a job is a worker's by its claim alone. It is for who waits, and for who
asks whether a job can be served at all.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.jobs import WorkerRecord
from graph_schema.store.connection import GraphStore

KEPT_MS = 3_600_000
"""How long the node of a worker stays that ended without a word."""

ANNOUNCE: LiteralString = """
MERGE (w:Worker {worker_id: $worker_id})
ON CREATE SET w.since = timestamp()
SET w += $said, w.seen_at = timestamp(), w.lease_until = timestamp() + $lease
"""
FORGET_OLD: LiteralString = """
MATCH (w:Worker) WHERE w.lease_until < timestamp() - $kept DETACH DELETE w
"""
FORGET: LiteralString = "MATCH (w:Worker {worker_id: $worker_id}) DETACH DELETE w"
LIVE: LiteralString = """
MATCH (w:Worker) WHERE w.lease_until > timestamp()
RETURN w.worker_id AS worker_id, w.host AS host, w.pid AS pid, w.serves AS serves, w.since AS since
ORDER BY since, worker_id
"""
WORK: LiteralString = """
MATCH (j:Job {state: 'running'}) WHERE j.lease_until > timestamp()
RETURN j.owner AS owner, j.job_id AS job_id
"""


def announce_worker(
    store: GraphStore, worker_id: str, *, host: str, pid: int, serves: str, lease: float
) -> None:
    """Say that this worker is live, and for `lease` seconds will count as such."""
    said = {"host": host, "pid": pid, "serves": serves}

    def work(tx: Transaction) -> None:
        tx.run(ANNOUNCE, worker_id=worker_id, said=said, lease=round(lease * 1000)).consume()

    store.write(work)


def forget_worker(store: GraphStore, worker_id: str) -> None:
    """Say that this worker has ended."""
    store.write(lambda tx: tx.run(FORGET, worker_id=worker_id).consume())


def forget_old_workers(store: GraphStore) -> None:
    """Remove what is left of workers that ended long ago without saying so."""
    store.write(lambda tx: tx.run(FORGET_OLD, kept=KEPT_MS).consume())


def live_workers(store: GraphStore) -> tuple[WorkerRecord, ...]:
    """All workers that said so not long ago, the oldest first, each with the job that it is on."""

    def work(tx: Transaction) -> tuple[WorkerRecord, ...]:
        on = {row["owner"]: row["job_id"] for row in tx.run(WORK)}
        found = tx.run(LIVE).data()
        return tuple(WorkerRecord(**row, job_id=on.get(row["worker_id"])) for row in found)

    return store.read(work)
