"""Version 7: what a universality job found is a node of its own, once, whoever judges later.

Until then the whole report stood on each verdict of the job, and another job that judged the same
models by the same protocol put its own in the place of the earlier one's.
"""

from __future__ import annotations

import json
from typing import LiteralString

from neo4j import Transaction

from graph_schema.store.batches import Row, write_batches
from graph_schema.store.schema_lock import Held, Step

SCHEMA: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT report_job_id IF NOT EXISTS FOR (n:Report) REQUIRE n.job_id IS UNIQUE",
)

VERDICTS: LiteralString = """
MATCH (v:Verdict) WHERE v.verdict_id > $after AND v.report IS NOT NULL
RETURN v.verdict_id AS key, v.report AS report, v.judged_at AS at ORDER BY key LIMIT $limit
"""
WRITE_REPORTS: LiteralString = """
UNWIND $rows AS row
MERGE (r:Report {job_id: row.report.job_id})
SET r += row.report
SET r.judged_at = CASE WHEN r.judged_at > row.at THEN r.judged_at ELSE row.at END
RETURN count(r) AS written
"""
MOVE: LiteralString = """
UNWIND $rows AS row
MATCH (r:Report {job_id: row.report.job_id}) MATCH (v:Verdict {verdict_id: row.verdict_id})
MERGE (r)-[:REPORTS]->(v)
REMOVE v.report
RETURN count(v) AS written
"""

VERDICTS_AT_A_TIME = 10
"""A report of many models takes a megabyte."""


def move_reports(held: Held) -> None:
    """Each report that stands on verdicts becomes a node that leads to them."""
    held.rewrite(VERDICTS, move_batch, size=VERDICTS_AT_A_TIME)


def move_batch(tx: Transaction, verdicts: list[Row]) -> None:
    """Move the reports of these verdicts."""
    rows: list[Row] = []
    for verdict in verdicts:
        said = json.loads(verdict["report"])
        report = {name: said[name] for name in ("job_id", "motif", "motif_id", "task", "task_id")}
        report |= {"models": len(said["models"]), "document": verdict["report"]}
        rows.append({"verdict_id": verdict["key"], "report": report, "at": verdict["at"]})
    write_batches(tx, WRITE_REPORTS, rows)
    write_batches(tx, MOVE, rows)


VERSION_7: tuple[Step, ...] = (*SCHEMA, move_reports)
