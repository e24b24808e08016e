"""Alignments: how alike two circuits, or two role graphs, are by what their roles carry."""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Alignment
from graph_schema.documents.alignment import RoleAlignment
from graph_schema.store.batches import write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.required import require_stored

_THERE_CIRCUITS: LiteralString = (
    "UNWIND $ids AS id MATCH (c:Circuit {circuit_id: id}) RETURN c.circuit_id AS id"
)
_WRITE_ALIGNED: LiteralString = """
MATCH (a:Circuit {circuit_id: $one}) MATCH (b:Circuit {circuit_id: $two})
MERGE (a)-[e:ALIGNED]->(b)
SET e += $properties
RETURN count(e) AS written
"""
_WRITE_ROLES_ALIGNED: LiteralString = """
MATCH (a:RoleGraph {role_graph_id: $one}) MATCH (b:RoleGraph {role_graph_id: $two})
MERGE (a)-[e:ALIGNED]->(b)
SET e += $properties
RETURN count(e) AS written
"""
_READ_ALIGNED: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[e:ALIGNED]-(c:Circuit)
RETURN c.circuit_id AS circuit_ids, e.similarity AS similarity, e.ci_low AS ci_low,
       e.ci_high AS ci_high, e.p AS p, e.draws AS draws
ORDER BY similarity DESC, circuit_ids
"""


def write_alignment(tx: Transaction, alignment: Alignment) -> None:
    """Write how alike two circuits are; either way round is the same.

    Raises:
        NotFoundError: One of the circuits is not stored.
    """
    ids = sorted(alignment.circuit_ids)
    require_stored(tx, _THERE_CIRCUITS, "circuit", ids)
    properties = alignment.model_dump(exclude={"schema_version", "circuit_ids"})
    one, two = ids
    write_rows(tx, _WRITE_ALIGNED, one=one, two=two, properties=properties, expected=1)


def write_role_alignment(tx: Transaction, alignment: RoleAlignment) -> None:
    """Write how alike two stored role graphs are; either way round is the same."""
    one, two = sorted(alignment.role_graph_ids)
    told = {"similarity", "ci_low", "ci_high", "p", "draws", "testable"}
    properties = alignment.model_dump(include=told)
    write_rows(tx, _WRITE_ROLES_ALIGNED, one=one, two=two, properties=properties, expected=1)


def read_alignments(store: GraphStore, circuit_id: str) -> tuple[Alignment, ...]:
    """The alignments of a circuit, the closest first; its id stands first in each."""
    rows = store.rows(_READ_ALIGNED, circuit_id=circuit_id)
    return tuple(
        Alignment.model_validate(row | {"circuit_ids": (circuit_id, row["circuit_ids"])})
        for row in rows
    )
