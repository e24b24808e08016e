"""Role graphs: what the roles of one model carry to each other, as a task's pairs show it.

Written inside the caller's transaction. A measurement is told by its id: made again it takes its
own place.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import RoleGraph
from graph_schema.errors import NotFoundError
from graph_schema.store.batches import write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.role_tests import measured, write_measured
from graph_schema.store.stored import stored_document

_WRITE_ROLE_GRAPH: LiteralString = """
MATCH (m:Model {fingerprint: $graph.fingerprint}) MATCH (t:Task {task_id: $graph.task_id})
MERGE (g:RoleGraph {role_graph_id: $graph.role_graph_id})
ON CREATE SET g.created_at = timestamp()
SET g += $graph
MERGE (g)-[:MEASURED_IN]->(m)
MERGE (g)-[:MEASURED_ON]->(t)
RETURN count(g) AS written
"""
_WRITE_ROLE_NODES: LiteralString = """
MATCH (g:RoleGraph {role_graph_id: $role_graph_id})
UNWIND $rows AS row
MERGE (n:RoleNode {role_node_id: row.id})
SET n.role = row.role, n.members = row.members
MERGE (g)-[:HAS_ROLE]->(n)
RETURN count(n) AS written
"""
_WRITE_CARRIES: LiteralString = """
UNWIND $rows AS row
MATCH (a:RoleNode {role_node_id: row.sender}) MATCH (b:RoleNode {role_node_id: row.receiver})
MERGE (a)-[e:CARRIES {channel: row.channel}]->(b)
SET e += row.properties
RETURN count(e) AS written
"""
_READ_ROLE_GRAPH: LiteralString = """
MATCH (g:RoleGraph {role_graph_id: $role_graph_id}) RETURN g.document AS document
"""


def write_role_graph(tx: Transaction, graph: RoleGraph) -> None:
    """Write a role graph; measuring the same again updates its shares."""
    members = {name for node in graph.nodes for name in node.members}
    write_measured(tx, graph, members)
    own = graph.role_graph_id
    properties = {
        "role_graph_id": own,
        "fingerprint": graph.model.fingerprint,
        "model": graph.model.name,
        "family": graph.model.family,
        **measured(graph),
        "document": graph.model_dump_json(),
    }
    write_rows(tx, _WRITE_ROLE_GRAPH, graph=properties, expected=1)
    nodes = [
        {"id": f"{own}:{node.role}", "role": str(node.role), "members": list(node.members)}
        for node in graph.nodes
    ]
    write_batches(tx, _WRITE_ROLE_NODES, nodes, role_graph_id=own)
    edges = [
        {
            "sender": f"{own}:{edge.sender}",
            "receiver": f"{own}:{edge.receiver}",
            "channel": edge.channel.value,
            "properties": {
                "share": edge.share,
                "ci_low": edge.ci_low,
                "ci_high": edge.ci_high,
                "controls": [control.name for control in edge.controls],
                "control_shares": [control.share for control in edge.controls],
                "control_ci_low": [control.ci_low for control in edge.controls],
                "control_ci_high": [control.ci_high for control in edge.controls],
            },
        }
        for edge in graph.edges
    ]
    write_batches(tx, _WRITE_CARRIES, edges)


def read_role_graph(store: GraphStore, role_graph_id: str) -> RoleGraph:
    """The role graph with this id.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(_READ_ROLE_GRAPH, role_graph_id=role_graph_id)
    if not rows:
        raise NotFoundError(f"no role graph has id {role_graph_id!r}")
    return stored_document(RoleGraph, rows[0]["document"], f"role graph {role_graph_id}")
