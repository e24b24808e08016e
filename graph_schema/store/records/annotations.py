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
_WRITE_ANNOTATION: LiteralString = """
MATCH (n:CircuitNode {node_id: $node_id})
MERGE (a:Annotation {annotation_id: $id})
ON CREATE SET a.at = timestamp(), a.author = $author, a.text = $text
MERGE (a)-[:ON]->(n)
RETURN count(a) AS written
"""
_READ_ANNOTATIONS: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)<-[:ON]-(a:Annotation)
RETURN n.name AS component, a.author AS author, a.text AS text, a.at AS at
ORDER BY at, component, a.annotation_id
"""


def write_annotation(tx: Transaction, annotation: Annotation) -> None:
    """Write a remark on a node; the same remark again changes nothing, not even its time.

    Raises:
        NotFoundError: The circuit has no such node.
    """
    node_id = f"{annotation.circuit_id}:{annotation.component}"
    require_stored(tx, _THERE_NODES, "circuit node", [node_id])
    write_rows(
        tx,
        _WRITE_ANNOTATION,
        id=annotation.annotation_id,
        node_id=node_id,
        author=annotation.author,
        text=annotation.text,
        expected=1,
    )


def read_annotations(store: GraphStore, circuit_id: str) -> tuple[Annotation, ...]:
    """What was written on a circuit's nodes, the oldest first."""
    rows = store.rows(_READ_ANNOTATIONS, circuit_id=circuit_id)
    return tuple(Annotation.model_validate(row | {"circuit_id": circuit_id}) for row in rows)
