"""The nodes and edges of a circuit: created at once, read in its order, measured anew in place.

On the embedded server a relationship between two given nodes, matched or merged, is looked for from
the left one, relationship by relationship. So nothing here looks for one from a node that has as
many as a circuit has nodes: whether it is there is asked from the other end, and what is not is
created.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import CircuitDocument
from graph_schema.errors import StoreError
from graph_schema.store.batches import (
    Row,
    batched,
    fetch,
    fetch_batches,
    write_batches,
    write_rows,
)
from graph_schema.store.records.components import component_rows, write_components

_COUNT_STORED: LiteralString = """
OPTIONAL MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
OPTIONAL MATCH (n)-[e:EDGE]->(:CircuitNode)
RETURN count(DISTINCT n) AS nodes, count(e) AS edges
"""
_FIND_NODES: LiteralString = """
UNWIND $rows AS id MATCH (n:CircuitNode {node_id: id}) RETURN n.node_id AS node_id
"""
_CREATE_NODES: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id})
CREATE (n:CircuitNode {node_id: row.node_id, name: row.name, unit: row.unit, label: row.name,
                       kind: row.kind, layer: row.layer, head: row.head, index: row.index,
                       position: row.position, depth: row.depth, roles: []})
CREATE (c)-[:CONTAINS]->(n)
CREATE (n)-[:OF]->(p)
RETURN count(n) AS written
"""
# A label that somebody gave stays; what a file or a dictionary says is the first.
_SET_FIGURES: LiteralString = """
UNWIND $rows AS row
MATCH (n:CircuitNode {node_id: row.node_id})
SET n += row.figures
SET n.label = CASE WHEN row.label IS NOT NULL AND n.label = n.name THEN row.label ELSE n.label END
RETURN count(n) AS written
"""
# Edges are created, not merged: `write_edges` knows that none of the circuit's is there. A row is
# a sender, looked up once for all its edges.
_CREATE_EDGES: LiteralString = """
UNWIND $rows AS row
MATCH (a:CircuitNode {node_id: row.sender})
UNWIND row.edges AS edge
MATCH (b:CircuitNode {node_id: edge.receiver})
CREATE (a)-[:EDGE {channel: edge.channel, score: edge.score, score_kind: edge.score_kind,
                   stability: edge.stability, exact: edge.exact,
                   position: edge.position}]->(b)
RETURN count(*) AS written
"""
_DELETE_EDGES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(:CircuitNode)-[e:EDGE]->(:CircuitNode)
DELETE e
"""
# An existing circuit has the same edges (they are in its id): only what was measured can differ.
# A row is a sender with what changed of its edges, by receiver and channel: one walk over them.
_UPDATE_EDGES: LiteralString = """
UNWIND $rows AS row
MATCH (:CircuitNode {node_id: row.sender})-[e:EDGE]->(b:CircuitNode)
WITH e, row.changes[b.name + ' ' + e.channel] AS new
WHERE new IS NOT NULL
SET e.score = new.score, e.score_kind = new.score_kind, e.stability = new.stability,
    e.exact = new.exact, e.position = new.position
RETURN count(e) AS written
"""
_READ_EDGES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(a:CircuitNode)-[e:EDGE]->(b:CircuitNode)
RETURN a.name AS sender, b.name AS receiver, e.channel AS channel, e.score AS score,
       e.score_kind AS score_kind, e.stability AS stability, e.exact AS exact,
       e.position AS position
"""


FIGURES = ("score", "score_kind", "stability", "exact", "position")
"""What can differ between two measurements of one edge."""


def write_edges(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write the nodes and edges of a circuit that is being written.

    What is there of an earlier run stays, with its annotations; its figures are those of now. The
    transaction holds the model.

    Raises:
        SpecError: A component's name is none we know.
    """
    own, nodes = circuit.circuit_id, _node_rows(circuit)
    stored = fetch(tx, _COUNT_STORED, circuit_id=own)[0]
    if stored["edges"] and stored["edges"] == circuit.n_edges:
        _update_edges(tx, circuit)
        write_batches(tx, _SET_FIGURES, _figure_rows(circuit))
        return
    if stored["edges"]:  # torn: a server lost a part of what was written
        tx.run(_DELETE_EDGES, circuit_id=own).consume()
    write_components(tx, circuit.model.fingerprint, nodes)
    if stored["nodes"]:
        ids = (row["node_id"] for row in nodes)
        there = {row["node_id"] for row in fetch_batches(tx, _FIND_NODES, ids)}
        nodes = [row for row in nodes if row["node_id"] not in there]
    write_batches(tx, _CREATE_NODES, nodes, circuit_id=own)
    write_batches(tx, _SET_FIGURES, _figure_rows(circuit))
    for senders in _by_sender(_edge_rows(circuit)):
        expected = sum(len(row["edges"]) for row in senders)
        write_rows(tx, _CREATE_EDGES, rows=senders, expected=expected)


def read_edges(tx: Transaction, circuit_id: str) -> list[Row]:
    """The stored edges of a circuit, in its order: the fields of a `CircuitEdge` and `position`."""
    # Sorted here: the embedded server would hold the circuit's whole document once an edge.
    return sorted(fetch(tx, _READ_EDGES, circuit_id=circuit_id), key=lambda row: row["position"])


def require_whole(circuit_id: str, n_edges: int, n_stored: int) -> None:
    """Refuse a circuit of which fewer edges are stored than its manifest says.

    Raises:
        StoreError: It is torn.
    """
    if n_stored != n_edges:
        raise StoreError(
            f"circuit {circuit_id} is torn: its manifest says {n_edges} edges, {n_stored} are "
            "stored; submit its job again with --force"
        )


def _node_rows(circuit: CircuitDocument) -> list[Row]:
    """One row a node."""
    rows = component_rows(circuit.model, circuit.node_names, circuit.dictionary_of)
    return [row | {"node_id": f"{circuit.circuit_id}:{row['name']}"} for row in rows]


def _figure_rows(circuit: CircuitDocument) -> list[Row]:
    """What is known of its nodes beside their edges."""
    return [
        {
            "node_id": f"{circuit.circuit_id}:{node.name}",
            "label": node.label,
            "figures": node.model_dump(exclude={"name", "label"}),
        }
        for node in circuit.nodes
    ]


def _edge_rows(circuit: CircuitDocument) -> Iterator[Row]:
    for position, edge in enumerate(circuit.edges):
        yield {
            "sender": f"{circuit.circuit_id}:{edge.sender}",
            "receiver": f"{circuit.circuit_id}:{edge.receiver}",
            "channel": edge.channel.value,
            "score": edge.score,
            "score_kind": edge.score_kind and edge.score_kind.value,
            "stability": edge.stability,
            "exact": edge.exact,
            "position": position,
        }


def _update_edges(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write what was measured anew of a stored circuit's edges; mostly nothing."""
    rows = read_edges(tx, circuit.circuit_id)
    stored = {(row["sender"], row["receiver"], row["channel"]): row for row in rows}
    changes: list[Row] = []
    for row, edge in zip(_edge_rows(circuit), circuit.edges, strict=True):
        old = stored[edge.sender, edge.receiver, edge.channel.value]
        new = {name: row[name] for name in FIGURES}
        if any(old[name] != value for name, value in new.items()):
            changes.append({"sender": row["sender"], "edge": edge, "new": new})
    for senders in _by_sender(changes):
        rows = [
            {
                "sender": row["sender"],
                "changes": {
                    f"{each['edge'].receiver} {each['edge'].channel.value}": each["new"]
                    for each in row["edges"]
                },
            }
            for row in senders
        ]
        expected = sum(len(row["changes"]) for row in rows)
        write_rows(tx, _UPDATE_EDGES, rows=rows, expected=expected)


def _by_sender(edges: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows of a sender and its edges, a batch of edges at a time."""
    ordered = sorted(edges, key=lambda edge: edge["sender"])
    for batch in batched(ordered):
        grouped = groupby(batch, key=lambda edge: edge["sender"])
        yield [{"sender": sender, "edges": list(of)} for sender, of in grouped]
