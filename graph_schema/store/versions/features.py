"""Version 8: dictionaries are nodes, and nodes of circuits are found by the unit that they are.

A unit stands at a position where an attribution graph has one node a position; of circuits until
then each node is its unit at all positions.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.store.batches import Row, write_batches
from graph_schema.store.schema_lock import Held, Step

SCHEMA: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT dictionary_key IF NOT EXISTS FOR (n:Dictionary) "
    "REQUIRE n.dictionary_key IS UNIQUE",
)
NODES: LiteralString = """
MATCH (n:CircuitNode) WHERE n.node_id > $after AND n.unit IS NULL
RETURN n.node_id AS key, n.name AS name ORDER BY key LIMIT $limit
"""
NAME_UNITS: LiteralString = """
UNWIND $rows AS row
MATCH (n:CircuitNode {node_id: row.key}) SET n.unit = row.name
RETURN count(n) AS written
"""


def name_units(held: Held) -> None:
    """Each node says which unit it is, as a search of later graphs asks for it."""
    held.rewrite(NODES, name_batch)


def name_batch(tx: Transaction, nodes: list[Row]) -> None:
    """Name the units of these nodes."""
    write_batches(tx, NAME_UNITS, nodes)


VERSION_8: tuple[Step, ...] = (*SCHEMA, name_units)
