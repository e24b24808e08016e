"""Reports: everything that one universality job found, whole and once, beside its verdicts.

A verdict is of models and protocol, so another job (by another seed, say) may judge it again; what
each job found stays as it was. Written inside the caller's transaction.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents.universality import UniversalityReport
from graph_schema.errors import NotFoundError
from graph_schema.printable import quoted
from graph_schema.store.batches import Row, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.verdicts import write_verdict
from graph_schema.store.stored import stored_document

# Its time is that of the last judging, as that of a verdict's `job_id` is.
_WRITE: LiteralString = """
MERGE (r:Report {job_id: $report.job_id})
SET r += $report, r.judged_at = timestamp()
RETURN count(r) AS written
"""
_UNLINK: LiteralString = "MATCH (:Report {job_id: $job_id})-[e:REPORTS]->(:Verdict) DELETE e"
_LINK: LiteralString = """
MATCH (r:Report {job_id: $job_id})
UNWIND $rows AS row
MATCH (v:Verdict {verdict_id: row})
CREATE (r)-[e:REPORTS]->(v)
RETURN count(e) AS written
"""
_READ: LiteralString = "MATCH (r:Report {job_id: $job_id}) RETURN r.document AS document"
_REPORTS_OF_JOBS: LiteralString = """
MATCH (r:Report) WHERE r.job_id STARTS WITH $prefix
RETURN r.job_id AS id, r.job_id AS job_id ORDER BY id LIMIT 20
"""
# Of several reports behind a verdict the newest: that of the job which judged it last.
_REPORTS_OF_VERDICTS: LiteralString = """
MATCH (v:Verdict) WHERE v.verdict_id STARTS WITH $prefix
OPTIONAL MATCH (r:Report)-[:REPORTS]->(v)
WITH v, r, coalesce(r.job_id = v.job_id, false) AS last
ORDER BY r.judged_at DESC, last DESC, r.job_id
RETURN v.verdict_id AS id, head(collect(r.job_id)) AS job_id ORDER BY id LIMIT 20
"""


def write_report(tx: Transaction, report: UniversalityReport) -> None:
    """Write what a universality job found, and its verdicts; judging again replaces its own.

    Raises:
        NotFoundError: Their motif or one of their models is not stored.
    """
    for verdict in report.verdicts:
        write_verdict(tx, verdict)
    told = ("job_id", "motif", "motif_id", "task", "task_id")
    properties: Row = {
        **{name: getattr(report, name) for name in told},
        "models": len(report.models),
        "document": report.model_dump_json(),
    }
    write_rows(tx, _WRITE, report=properties, expected=1)
    tx.run(_UNLINK, job_id=report.job_id).consume()
    ids = [verdict.verdict_id for verdict in report.verdicts]
    write_batches(tx, _LINK, ids, job_id=report.job_id)


def read_report(store: GraphStore, job_id: str) -> UniversalityReport:
    """What a universality job found.

    Raises:
        NotFoundError: Nothing is stored of it.
    """
    rows = store.rows(_READ, job_id=job_id)
    if not rows:
        raise NotFoundError(
            f"no report is stored of job {job_id[:12]}; a universality job that succeeded stores "
            "one, but releases before the schema's version 7 kept of jobs that judged the same "
            "models by the same protocol only the last one's: `circuits universality … --force` "
            "judges again"
        )
    return stored_document(UniversalityReport, rows[0]["document"], f"report of job {job_id}")


def find_report(store: GraphStore, prefix: str) -> UniversalityReport:
    """The report of a universality job, or the newest behind a verdict, by an id's first digits.

    Raises:
        NotFoundError: None, or several; or a verdict that no job of this kind judged.
    """
    rows = store.rows(_REPORTS_OF_VERDICTS, prefix=prefix) if prefix else []
    rows += store.rows(_REPORTS_OF_JOBS, prefix=prefix) if prefix else []
    if not rows:
        raise NotFoundError(
            f"no verdict and no universality job has id {quoted(prefix)}; `circuits report` "
            "without an id lists them"
        )
    jobs: set[str | None] = {row["job_id"] for row in rows}
    if len(jobs) > 1 or (len(rows) > 1 and None in jobs):
        shown = ", ".join(row["id"][:16] for row in rows[:5])
        raise NotFoundError(f"id {prefix!r} is ambiguous; give more digits of one of: {shown}")
    job_id = rows[0]["job_id"]
    if job_id is None:
        raise NotFoundError(
            f"verdict {rows[0]['id'][:12]} was not judged by a universality job, so there "
            "is no report of it; `circuits query verdict-evidence` shows what stands behind it"
        )
    return read_report(store, job_id)
