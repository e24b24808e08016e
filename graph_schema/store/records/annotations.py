"""Annotations: what somebody wrote on a node of a circuit, and when; the same remark is one."""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Annotation
from graph_schema.store.batches import write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.required import require_stored

_THERE_NODES: LiteralString = (
    "UNWIND $ids AS id MATCH (n:CircuitNode {node_id: id}) RETURN n.node_id AS id"
)
# The nodes of a group are on the annotation in their order, the first is who it is about.
_WRITE_ANNOTATION: LiteralString = """
MERGE (a:Annotation {annotation_id: $id})
ON CREATE SET a.at = timestamp(), a.author = $author, a.text = $text, a.kind = $kind,
              a.score = $score, a.members = $members
WITH a
UNWIND $ids AS id
MATCH (n:CircuitNode {node_id: id})
MERGE (a)-[:ON]->(n)
RETURN count(n) AS written
"""
# The newest label of a node is what it is called.
_SET_LABEL: LiteralString = """
MATCH (n:CircuitNode {node_id: $node_id}) SET n.label = $text RETURN count(n) AS written
"""
_READ_ANNOTATIONS: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)<-[:ON]-(a:Annotation)
WHERE a.members IS NULL OR a.members[0] = n.name
RETURN n.name AS component, a.author AS author, a.text AS text, a.at AS at,
       coalesce(a.kind, 'note') AS kind, a.score AS score, a.members AS members,
       a.annotation_id AS id
ORDER BY at, component, id
"""


def write_annotation(tx: Transaction, annotation: Annotation) -> None:
    """Write a remark on a node; the same remark again changes nothing, not even its time.

    Raises:
        NotFoundError: The circuit has no such node.
    """
    members = (annotation.component, *annotation.also)
    ids = [f"{annotation.circuit_id}:{name}" for name in dict.fromkeys(members)]
    require_stored(tx, _THERE_NODES, "circuit node", ids)
    write_rows(
        tx,
        _WRITE_ANNOTATION,
        id=annotation.annotation_id,
        ids=ids,
        author=annotation.author,
        text=annotation.text,
        kind=annotation.kind,
        score=annotation.score,
        members=list(dict.fromkeys(members)),
        expected=len(ids),
    )
    if annotation.kind == "label":
        write_rows(tx, _SET_LABEL, node_id=ids[0], text=annotation.text, expected=1)


def read_annotations(store: GraphStore, circuit_id: str) -> tuple[Annotation, ...]:
    """What was written on a circuit's nodes, the oldest first."""
    found: list[Annotation] = []
    for row in store.rows(_READ_ANNOTATIONS, circuit_id=circuit_id):
        said = {name: row[name] for name in ("component", "author", "text", "at", "kind", "score")}
        also = tuple((row["members"] or ())[1:])
        found.append(Annotation.model_validate({**said, "also": also, "circuit_id": circuit_id}))
    return tuple(found)
