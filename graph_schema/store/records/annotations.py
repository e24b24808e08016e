"""Annotations: what somebody wrote on a node of a circuit, and when; the same remark is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Annotation
from graph_schema.errors import SpecError
from graph_schema.store.batches import Row, write_batches, write_rows
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
# The newest label of a node is what it is called, and of a unit what its component is called. One
# that is said again after another is the newest again.
_WRITE_LABELS: LiteralString = """
UNWIND $rows AS row
MATCH (n:CircuitNode {node_id: row.node_id})-[:OF]->(p:Component)
MERGE (a:Annotation {annotation_id: row.id})
ON CREATE SET a.at = timestamp(), a.author = row.author, a.text = row.text, a.kind = 'label',
              a.score = row.score, a.members = [row.name]
MERGE (a)-[:ON]->(n)
SET a.at = CASE WHEN n.label = row.text THEN a.at ELSE timestamp() END
SET n.label = row.text
SET p.label = CASE WHEN p.kind IN ['neuron', 'feature'] THEN row.text ELSE p.label END
RETURN count(n) AS written
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
    if annotation.kind == "label":
        write_labels(tx, [annotation])
        return
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


def write_labels(tx: Transaction, labels: Sequence[Annotation]) -> None:
    """Write labels, one a node: each is what its node is called from now on.

    A node that is called so already, by the same author and with the same score, stays as it is.

    Raises:
        NotFoundError: A circuit has no such node.
        SpecError: An annotation is no label, or is on several nodes.
    """
    rows: list[Row] = []
    for label in labels:
        if label.kind != "label" or label.also:
            raise SpecError(f"the {label.kind} on {label.component!r} is no label of one node")
        rows.append(
            {
                "id": label.annotation_id,
                "node_id": f"{label.circuit_id}:{label.component}",
                "name": label.component,
                "author": label.author,
                "text": label.text,
                "score": label.score,
            }
        )
    require_stored(tx, _THERE_NODES, "circuit node", [row["node_id"] for row in rows])
    write_batches(tx, _WRITE_LABELS, rows)


def read_annotations(store: GraphStore, circuit_id: str) -> tuple[Annotation, ...]:
    """What was written on a circuit's nodes, the oldest first."""
    found: list[Annotation] = []
    for row in store.rows(_READ_ANNOTATIONS, circuit_id=circuit_id):
        said = {name: row[name] for name in ("component", "author", "text", "at", "kind", "score")}
        also = tuple((row["members"] or ())[1:])
        found.append(Annotation.model_validate({**said, "also": also, "circuit_id": circuit_id}))
    return tuple(found)
