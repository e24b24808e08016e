"""Compiled Cypher finds on both servers what the matcher finds."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, Phase, given, settings

from graph_schema.documents import Motif
from graph_schema.motifs import CircuitGraph, bindings, catalogue, compile_motif, find_motif
from graph_schema.store.connection import GraphStore
from tests.graph_schema.motifs.made import CASES, KNOWN, KNOWN_COUNTS

WRITE_NODES = """
MERGE (c:Circuit {circuit_id: $id})
WITH c UNWIND $nodes AS node
CREATE (c)-[:CONTAINS]->(n:CircuitNode)
SET n = node
"""
WRITE_EDGES = """
UNWIND $edges AS edge
MATCH (s:CircuitNode {node_id: edge.sender}), (r:CircuitNode {node_id: edge.receiver})
CREATE (s)-[:EDGE {channel: edge.channel, score: edge.score}]->(r)
"""
_ids = count()


def write(store: GraphStore, graph: CircuitGraph) -> str:
    """Write `graph` as a circuit of its own; gives the circuit's id."""
    circuit_id = f"made-{next(_ids)}"
    nodes = [
        {
            "node_id": f"{circuit_id}/{node.name}",
            "name": node.name,
            "kind": node.kind.value,
            "layer": node.layer,
            "depth": node.depth,
            "roles": sorted(role.value for role in node.roles),
        }
        for node in graph.nodes
    ]
    edges = [
        {
            "sender": f"{circuit_id}/{edge.sender}",
            "receiver": f"{circuit_id}/{edge.receiver}",
            "channel": edge.channel.value,
            "score": edge.score,
        }
        for edge in graph.edges
    ]
    store.write(lambda tx: tx.run(WRITE_NODES, id=circuit_id, nodes=nodes).consume())
    store.write(lambda tx: tx.run(WRITE_EDGES, edges=edges).consume())
    return circuit_id


def found(store: GraphStore, motif: Motif, circuit_id: str) -> list[dict[str, str]]:
    compiled = compile_motif(motif)
    parameters = compiled.parameters(circuit_id)
    rows = store.read(lambda tx: [row.data() for row in tx.run(compiled.statement, parameters)])
    return [compiled.binding(row) for row in rows]


def test_catalogue_is_found_in_a_known_circuit(store: GraphStore) -> None:
    """A second circuit of the same nodes lies beside it, and does not mix in."""
    circuit_id = write(store, KNOWN)
    write(store, KNOWN)
    for name, motif in catalogue().items():
        rows = found(store, motif, circuit_id)
        assert len(rows) == KNOWN_COUNTS[name], name
        assert rows == bindings(KNOWN, motif), name


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(case=CASES)
def test_any_motif_is_found_in_any_circuit(
    store: GraphStore, case: tuple[CircuitGraph, Motif]
) -> None:
    graph, motif = case
    circuit_id = write(store, graph)
    assert found(store, motif, circuit_id) == bindings(graph, motif)


def test_an_unknown_circuit_has_no_occurrences(store: GraphStore) -> None:
    write(store, KNOWN)
    assert found(store, find_motif("induction"), "no such circuit") == []
