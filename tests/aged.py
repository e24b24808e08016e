"""Time that has passed for a job, without waiting for it: its times are set back.

A test that sleeps through a short lease fails on a machine that stands still for longer.
"""

from __future__ import annotations

from neo4j import Transaction

from graph_schema.store.connection import GraphStore

HOUR = 3600.0

SET_BACK = """
MATCH (j:Job {job_id: $job_id})
SET j.submitted_at = j.submitted_at - $ms,
    j.sent_at = j.sent_at - $ms,
    j.retry_at = j.retry_at - $ms,
    j.put_off_since = j.put_off_since - $ms,
    j.lease_until = j.lease_until - $ms,
    j.renewed_at = j.renewed_at - $ms
RETURN j.job_id AS id
"""


def aged(store: GraphStore, job_id: str, seconds: float = HOUR) -> None:
    """Make the job as if it had been submitted, sent and claimed `seconds` before."""

    def work(tx: Transaction) -> list[str]:
        rows = tx.run(SET_BACK, job_id=job_id, ms=round(seconds * 1000))
        return [row["id"] for row in rows]

    assert store.write(work) == [job_id]
