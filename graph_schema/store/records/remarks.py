"""Notes and tags: annotations of a whole circuit or job.

One on a circuit hangs on its node, which later runs leave where it is. One on a job names it and
hangs on nothing: with a relationship to its Job node, a renewal of the lease would abort the
transaction of a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.documents.remark import Remark
from graph_schema.store.batches import Row, fetch
from graph_schema.store.connection import GraphStore

# Annotations of nodes name no circuit and no job.
_READ: LiteralString = """
MATCH (a:Annotation) WHERE a.circuit_id IN $ids OR a.job_id IN $ids
RETURN a.circuit_id AS circuit_id, a.job_id AS job_id, a.kind AS kind, a.text AS text,
       a.author AS author, a.at AS at
ORDER BY at, text
"""
_TAGGED: LiteralString = """
MATCH (a:Annotation) WHERE a.kind = 'tag' AND a.text = $tag
RETURN a.circuit_id AS circuit_id, a.job_id AS job_id
"""
_THERE: LiteralString = """
UNWIND $ids AS id MATCH (a:Annotation {annotation_id: id}) RETURN a.annotation_id AS id
"""
# Created and not merged: a relationship is not looked for from a circuit, which has many.
_CREATE_ON_CIRCUIT: LiteralString = """
UNWIND $rows AS row
MATCH (c:Circuit {circuit_id: row.of})
CREATE (a:Annotation {annotation_id: row.id, kind: row.kind, text: row.text, author: row.author,
                      at: timestamp(), circuit_id: row.of})
CREATE (a)-[:ON]->(c)
"""
_CREATE_ON_JOB: LiteralString = """
UNWIND $rows AS row
CREATE (a:Annotation {annotation_id: row.id, kind: row.kind, text: row.text, author: row.author,
                      at: timestamp(), job_id: row.of})
"""
_REMOVE: LiteralString = """
UNWIND $ids AS id MATCH (a:Annotation {annotation_id: id}) DETACH DELETE a
"""
_REMOVE_OF: LiteralString = """
MATCH (a:Annotation) WHERE a.circuit_id IN $ids OR a.job_id IN $ids DETACH DELETE a
"""


def write_remarks(tx: Transaction, remarks: Sequence[Remark]) -> int:
    """Write those that are not there yet; returns how many that were."""
    known = {each.remark_id: each for each in remarks}
    for row in fetch(tx, _THERE, ids=list(known)):
        del known[row["id"]]
    statements: dict[str, LiteralString] = {"circuit": _CREATE_ON_CIRCUIT, "job": _CREATE_ON_JOB}
    for on, statement in statements.items():
        rows: list[dict[str, Any]] = [
            {
                "id": remark_id,
                "of": each.id,
                "kind": each.kind,
                "text": each.text,
                "author": each.author,
            }
            for remark_id, each in known.items()
            if each.on == on
        ]
        if rows:
            tx.run(statement, rows=rows).consume()
    return len(known)


def remove_remarks(tx: Transaction, remarks: Iterable[Remark]) -> None:
    """Remove these; those that are gone already are."""
    tx.run(_REMOVE, ids=[each.remark_id for each in remarks]).consume()


def remove_all_remarks(tx: Transaction, ids: Sequence[str]) -> None:
    """Remove every note and tag of these circuits and jobs."""
    tx.run(_REMOVE_OF, ids=list(ids)).consume()


def read_remarks(store: GraphStore, ids: Sequence[str]) -> tuple[Remark, ...]:
    """Notes and tags of these circuits and jobs, the oldest first."""
    return tuple(map(_remark, store.rows(_READ, ids=list(ids)))) if ids else ()


def tagged(store: GraphStore, tag: str) -> set[str]:
    """The ids of all circuits and jobs that have the tag."""
    rows = store.rows(_TAGGED, tag=tag)
    return {row["circuit_id"] or row["job_id"] for row in rows} - {None}


def tags_of(store: GraphStore, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The tags of those of these circuits and jobs that have any, sorted."""
    found: dict[str, list[str]] = {}
    for each in read_remarks(store, ids):
        if each.kind == "tag":
            found.setdefault(each.id, []).append(each.text)
    return {id: tuple(sorted(tags)) for id, tags in found.items()}


def _remark(row: Row) -> Remark:
    on = "circuit" if row["circuit_id"] else "job"
    said = {name: row[name] for name in ("kind", "text", "author", "at")}
    return Remark.model_validate({**said, "on": on, "id": row[f"{on}_id"]})
