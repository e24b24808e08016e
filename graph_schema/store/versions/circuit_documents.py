"""Version 9: what describes a circuit as a whole is a node of its own beside the Circuit node.

Until then it stood on the Circuit node, which the embedded server reads anew for each relationship
of its that it deletes: a long one held up every deletion, and every query that returned circuits.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.store.batches import Row, write_batches
from graph_schema.store.schema_lock import Held, Step

SCHEMA: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT circuit_document_id IF NOT EXISTS FOR (n:CircuitDocument) "
    "REQUIRE n.circuit_id IS UNIQUE",
)
CIRCUITS: LiteralString = """
MATCH (c:Circuit) WHERE c.circuit_id > $after AND c.document IS NOT NULL
RETURN c.circuit_id AS key, c.document AS document ORDER BY key LIMIT $limit
"""
MOVE: LiteralString = """
UNWIND $rows AS row
MATCH (c:Circuit {circuit_id: row.key})
MERGE (d:CircuitDocument {circuit_id: row.key})
SET d.document = row.document
MERGE (c)-[:HAS_DOCUMENT]->(d)
REMOVE c.document
RETURN count(c) AS written
"""

CIRCUITS_AT_A_TIME = 10
"""A document of many features takes megabytes."""


def move_documents(held: Held) -> None:
    """Each circuit's document becomes a node that the circuit leads to."""
    held.rewrite(CIRCUITS, move_batch, size=CIRCUITS_AT_A_TIME)


def move_batch(tx: Transaction, circuits: list[Row]) -> None:
    """Move the documents of these circuits."""
    write_batches(tx, MOVE, circuits)


VERSION_9: tuple[Step, ...] = (*SCHEMA, move_documents)
