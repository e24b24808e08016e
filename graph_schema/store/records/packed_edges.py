"""A circuit's edges for a picture: as columns, in one answer of the server.

A row an edge costs the embedded server and the driver three times as much (20,000 edges: 2.3 s
against .8), and documents as much again.
"""

from __future__ import annotations

from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.documents import PackedEdges
from graph_schema.errors import StoreError
from graph_schema.store.batches import fetch
from graph_schema.store.connection import GraphStore

_READ: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(a:CircuitNode)-[e:EDGE]->(b:CircuitNode)
RETURN collect([a.name, b.name, e.channel, e.score, e.score_kind, e.stability, e.exact]) AS edges
"""
_NODES: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
OPTIONAL MATCH (c)-[:CONTAINS]->(n:CircuitNode)
RETURN c.n_edges AS n_edges, collect(n.name) AS nodes
"""


def read_packed_edges(store: GraphStore, circuit_id: str) -> PackedEdges:
    """All edges of the stored circuit with this whole id.

    Raises:
        StoreError: It is torn: fewer edges are stored than its manifest says.
    """

    def work(tx: Transaction) -> tuple[dict[str, Any], list[list[Any]]]:
        whole = fetch(tx, _NODES, circuit_id=circuit_id)[0]
        return whole, fetch(tx, _READ, circuit_id=circuit_id)[0]["edges"]

    whole, edges = store.read(work)
    if len(edges) != whole["n_edges"]:
        raise StoreError(
            f"circuit {circuit_id} is torn: {len(edges)} edges are stored of {whole['n_edges']}"
        )
    edges.sort(key=lambda edge: (-abs(edge[3] or 0.0), edge[0], edge[1], edge[2]))
    columns = list(zip(*edges, strict=True)) or [()] * 7
    return PackedEdges(tuple(whole["nodes"]), *columns)
