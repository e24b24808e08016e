"""Verdicts: whether a motif holds over models, on one rung, and what each model says to it.

Written inside the caller's transaction. A verdict is told by its id: judged again it takes its own
place, and what the models said to it before is gone.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Outcome, Rung, RungState, Verdict
from graph_schema.documents.rungs import ModelFinding
from graph_schema.documents.verdict import Tally
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.batches import Row, fetch, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.contradictions import flag_verdict
from graph_schema.store.records.required import require_stored
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

_THERE_MOTIFS: LiteralString = (
    "UNWIND $ids AS id MATCH (m:Motif {motif_id: id}) RETURN m.motif_id AS id"
)
_THERE_MODELS: LiteralString = (
    "UNWIND $ids AS id MATCH (m:Model {fingerprint: id}) RETURN m.fingerprint AS id"
)
_SAME_WEIGHTS: LiteralString = """
UNWIND $ids AS id MATCH (m:Model {fingerprint: id}) WHERE m.weights_sha256 IS NOT NULL
WITH m.weights_sha256 AS weights, collect(m.name) AS names WHERE size(names) > 1
RETURN names
"""
# Its time is that of the judgement: the same document again is no new one.
_WRITE_VERDICT: LiteralString = """
MATCH (m:Motif {motif_id: $verdict.motif_id}) MATCH (t:Task {task_id: $verdict.task_id})
MERGE (v:Verdict {verdict_id: $verdict.verdict_id})
SET v.judged_at = CASE WHEN v.document = $verdict.document THEN v.judged_at ELSE timestamp() END
SET v += $verdict
MERGE (v)-[:ABOUT]->(m)
MERGE (v)-[:ON_TASK]->(t)
RETURN count(v) AS written
"""
_DELETE_FINDINGS: LiteralString = """
MATCH (:Verdict {verdict_id: $verdict_id})
      -[e:SUPPORTED_BY|CONTRADICTED_BY|UNDECIDED_IN|COUNTED_IN]->()
DELETE e
"""
# A type cannot be a parameter, so the three sides of a verdict are one text with three types.
_WRITE_SIDE: LiteralString = """
MATCH (v:Verdict {verdict_id: $verdict_id})
UNWIND $rows AS row
MATCH (m:Model {fingerprint: row.fingerprint})
CREATE (v)-[e:SIDE]->(m)
SET e += row.properties
RETURN count(e) AS written
"""
_WRITE_SUPPORTED: LiteralString = _WRITE_SIDE.replace("SIDE", "SUPPORTED_BY")
_WRITE_CONTRADICTED: LiteralString = _WRITE_SIDE.replace("SIDE", "CONTRADICTED_BY")
_WRITE_UNDECIDED: LiteralString = _WRITE_SIDE.replace("SIDE", "UNDECIDED_IN")
_WRITE_COUNTED: LiteralString = """
MATCH (v:Verdict {verdict_id: $verdict_id})
UNWIND $rows AS row
MERGE (f:ModelFamily {name: row.family})
CREATE (v)-[e:COUNTED_IN]->(f)
SET e += row.properties
RETURN count(e) AS written
"""
_READ_VERDICT: LiteralString = """
MATCH (v:Verdict {verdict_id: $verdict_id}) RETURN v.document AS document
"""
_LIST: LiteralString = """
MATCH (v:Verdict)
RETURN v.verdict_id AS verdict_id, v.motif AS motif, v.task AS task, v.rung AS rung,
       coalesce(v.path, 'any') AS path, v.outcome AS outcome, v.k AS k, v.n AS n, v.low AS low,
       v.high AS high, v.job_id AS job_id
ORDER BY v.judged_at DESC, v.verdict_id
"""
PAGE_QUERY: LiteralString = """
MATCH (v:Verdict)
WHERE ($motif IS NULL OR v.motif = $motif) AND ($task IS NULL OR v.task = $task)
  AND ($outcome IS NULL OR v.outcome = $outcome)
WITH v ORDER BY v.judged_at DESC, v.job_id, v.rung, v.verdict_id SKIP $skip LIMIT $limit
RETURN v.verdict_id AS verdict_id, v.motif AS motif, v.task AS task, v.rung AS rung,
       coalesce(v.path, 'any') AS path, v.outcome AS outcome, v.k AS k, v.n AS n,
       v.untestable AS untestable, v.low AS low, v.high AS high, v.job_id AS job_id,
       v.judged_at AS judged_at, COUNT { (v)<-[:CONTRADICTS]-() } AS against
ORDER BY judged_at DESC, job_id, rung, verdict_id
"""
_NAMES: LiteralString = """
MATCH (v:Verdict) RETURN DISTINCT v.motif AS motif, v.task AS task
"""


def write_verdict(tx: Transaction, verdict: Verdict) -> None:
    """Write a verdict and what each model says to it; judging again replaces what they said.

    Raises:
        NotFoundError: Its motif or one of its models is not stored.
        SpecError: Two of its models have the same weights.
    """
    own = verdict.verdict_id
    require_stored(tx, _THERE_MOTIFS, "motif", [verdict.motif_id])
    fingerprints = [found.fingerprint for found in verdict.models]
    require_stored(tx, _THERE_MODELS, "model", fingerprints)
    for row in fetch(tx, _SAME_WEIGHTS, ids=fingerprints):
        names = ", ".join(map(repr, sorted(row["names"])))
        raise SpecError(
            f"models {names} have the same weights and are one: a verdict counts them once, so "
            "leave all but one out"
        )
    write_task(tx, verdict.task_id, verdict.task)
    told = {"verdict_id", "motif", "motif_id", "task", "task_id", "rung", "outcome", "scope"}
    properties = {
        **{name: getattr(verdict, name) for name in told},
        "falsifiers": list(verdict.falsifiers),
        "job_id": verdict.job_id,
        "protocol_id": verdict.protocol and verdict.protocol.protocol_id,
        "path": verdict.protocol.path if verdict.protocol else "any",
        "document": verdict.model_dump_json(),
        **_tally(verdict.pooled),
    }
    write_rows(tx, _WRITE_VERDICT, verdict=properties, expected=1)
    tx.run(_DELETE_FINDINGS, verdict_id=own).consume()
    sides: dict[LiteralString, list[Row]] = {
        _WRITE_SUPPORTED: [],
        _WRITE_CONTRADICTED: [],
        _WRITE_UNDECIDED: [],
    }
    for found in verdict.models:
        sides[_side(found, verdict.rung)].append(_finding_row(found, verdict.rung))
    for statement, rows in sides.items():
        write_batches(tx, statement, rows, verdict_id=own)
    families = [
        {"family": family.family, "properties": _tally(family)} for family in verdict.families
    ]
    write_batches(tx, _WRITE_COUNTED, families, verdict_id=own)
    flag_verdict(tx, verdict)


def list_verdicts(store: GraphStore) -> list[Row]:
    """A row a verdict, the newest first."""
    return store.rows(_LIST)


def verdict_page(
    store: GraphStore,
    *,
    motif: str | None = None,
    task: str | None = None,
    outcome: Outcome | None = None,
    skip: int = 0,
    limit: int = 50,
) -> list[Row]:
    """A row a verdict that passes, the newest first; `against` counts what contradicts it."""
    asked = {"motif": motif, "task": task, "outcome": outcome and outcome.value}
    return store.rows(PAGE_QUERY, **asked, skip=skip, limit=limit)


def judged_names(store: GraphStore) -> dict[str, list[str]]:
    """The names of each `motif` and `task` that a verdict is of, in order."""
    rows = store.rows(_NAMES)
    return {name: sorted({row[name] for row in rows}) for name in ("motif", "task")}


def read_verdict(store: GraphStore, verdict_id: str) -> Verdict:
    """The verdict with this id.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(_READ_VERDICT, verdict_id=verdict_id)
    if not rows:
        raise NotFoundError(f"no verdict has id {verdict_id!r}")
    return stored_document(Verdict, rows[0]["document"], f"verdict {verdict_id}")


def _side(found: ModelFinding, rung: Rung) -> LiteralString:
    """What a model does to a verdict: only `absent` above the behaviour rung contradicts."""
    here = found.at(rung)
    if here is not None and here.state is RungState.PRESENT:
        return _WRITE_SUPPORTED
    if here is not None and here.state is RungState.ABSENT and rung is not Rung.BEHAVIOUR:
        return _WRITE_CONTRADICTED
    return _WRITE_UNDECIDED


def _finding_row(found: ModelFinding, rung: Rung) -> Row:
    here = found.at(rung)
    return {
        "fingerprint": found.fingerprint,
        "properties": {
            "state": here and here.state.value,
            "reason": here and here.reason,
            **{each.rung.value: each.state.value for each in found.rungs},
            "role_graph_id": found.role_graph_id,
            "circuit_ids": list(found.circuit_ids),
        },
    }


def _tally(tally: Tally) -> Row:
    return {
        "k": tally.present,
        "n": tally.n,
        "untestable": tally.untestable,
        "low": tally.low,
        "high": tally.high,
    }
