"""Role graphs: what the roles of one model carry to each other, as a task's pairs show it.

Written inside the caller's transaction. A measurement is told by its id: made again it takes its
own place.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import RoleGraph, SuperEdge
from graph_schema.errors import NotFoundError
from graph_schema.store.batches import Row, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.contradictions import flag_role_graph
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
_READ_ROLE_GRAPH_OF_JOB: LiteralString = """
MATCH (g:RoleGraph {job_id: $job_id})
RETURN g.document AS document ORDER BY g.created_at DESC, g.role_graph_id LIMIT 1
"""


def write_role_graph(tx: Transaction, graph: RoleGraph) -> None:
    """Write a role graph; measuring the same again updates its shares."""
    members = {name for node in graph.nodes for name in node.members}
    write_measured(tx, graph, members)
    own = graph.role_graph_id
    restored = {each.wiring: each.share for each in graph.restored}
    properties = {
        "role_graph_id": own,
        "fingerprint": graph.model.fingerprint,
        "model": graph.model.name,
        "family": graph.model.family,
        **measured(graph),
        "job_id": graph.job_id,
        "role_test_id": graph.role_test_id,
        "motif_id": graph.motif_id,
        "method_version": graph.method_version,
        "conditions": list(graph.conditions),
        "untestable": graph.behaviour and (graph.behaviour.reason or None),
        "restored_direct": restored.get("direct"),
        "restored_mediated": restored.get("mediated"),
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
            "properties": _carries(edge),
        }
        for edge in graph.edges
    ]
    write_batches(tx, _WRITE_CARRIES, edges)
    flag_role_graph(tx, graph)


def _carries(edge: SuperEdge) -> Row:
    """What stands on a super-edge."""
    return {
        "share": edge.share,
        "ci_low": edge.ci_low,
        "ci_high": edge.ci_high,
        "direct": edge.direct and edge.direct.share,
        "direct_ci_low": edge.direct and edge.direct.ci_low,
        "direct_ci_high": edge.direct and edge.direct.ci_high,
        "mediators": [each.component for each in edge.mediators],
        "mediator_shares": [each.share for each in edge.mediators],
        "mediator_ci_low": [each.ci_low for each in edge.mediators],
        "mediator_ci_high": [each.ci_high for each in edge.mediators],
        "everywhere": edge.everywhere and edge.everywhere.share,
        "on_discovery": edge.on_discovery and edge.on_discovery.share,
        "is_bound": edge.is_bound,
        "controls": [control.name for control in edge.controls],
        "control_shares": [control.share for control in edge.controls],
        "control_ci_low": [control.ci_low for control in edge.controls],
        "control_ci_high": [control.ci_high for control in edge.controls],
    }


def read_role_graph(store: GraphStore, role_graph_id: str) -> RoleGraph:
    """The role graph with this id.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(_READ_ROLE_GRAPH, role_graph_id=role_graph_id)
    if not rows:
        raise NotFoundError(f"no role graph has id {role_graph_id!r}")
    return stored_document(RoleGraph, rows[0]["document"], f"role graph {role_graph_id}")


def read_role_graph_of_job(store: GraphStore, job_id: str) -> RoleGraph:
    """The role graph that this effects job measured.

    Raises:
        NotFoundError: There is none.
    """
    rows = store.rows(_READ_ROLE_GRAPH_OF_JOB, job_id=job_id)
    if not rows:
        raise NotFoundError(
            f"no role graph is of job {job_id!r}; an effects job that succeeded stores one"
        )
    return stored_document(RoleGraph, rows[0]["document"], f"role graph of job {job_id}")
