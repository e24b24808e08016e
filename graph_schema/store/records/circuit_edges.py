"""The nodes and edges of a circuit: created at once, read in its order, measured anew in place.

On the embedded server a relationship between two given nodes, matched or merged, is looked for from
the left one, relationship by relationship. So nothing here looks for one from a node that has as
many as a circuit has nodes: whether it is there is asked from the other end, and what is not is
created.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, NodeFigures
from graph_schema.errors import StoreError
from graph_schema.store.batches import (
    Row,
    fetch,
    fetch_batches,
    grouped,
    write_batches,
    write_groups,
    write_rows,
)
from graph_schema.store.records.components import component_rows, write_components

_HAS_NODES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
RETURN n.node_id AS node_id LIMIT 1
"""
_FIND_NODES: LiteralString = """
UNWIND $rows AS id MATCH (n:CircuitNode {node_id: id})
RETURN n.node_id AS node_id, n.label AS label, n.effect AS effect, n.activation AS activation,
       n.token AS token, n.probability AS probability
"""
_CREATE_NODES: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id})
CREATE (n:CircuitNode {node_id: row.node_id, name: row.name, unit: row.unit, label: row.label,
                       kind: row.kind, layer: row.layer, head: row.head, index: row.index,
                       position: row.position, depth: row.depth, roles: [],
                       effect: row.effect, activation: row.activation, token: row.token,
                       probability: row.probability})
CREATE (c)-[:CONTAINS]->(n)
CREATE (n)-[:OF]->(p)
RETURN count(n) AS written
"""
# A label that somebody gave stays; what a file or a dictionary says is the first.
_SET_FIGURES: LiteralString = """
UNWIND $rows AS row
MATCH (n:CircuitNode {node_id: row.node_id})
SET n.effect = row.effect, n.activation = row.activation, n.token = row.token,
    n.probability = row.probability,
    n.label = CASE WHEN n.label = n.name THEN row.label ELSE n.label END
RETURN count(n) AS written
"""
# Edges are created, not merged: `write_edges` knows that none of the circuit's is there. A row is
# a sender, looked up once for all its edges.
_CREATE_EDGES: LiteralString = """
UNWIND $rows AS of
MATCH (a:CircuitNode {node_id: of.sender})
UNWIND of.rows AS edge
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
NODE_FIGURES = ("effect", "activation", "token", "probability")
"""And of one node."""


def write_edges(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write the nodes and edges of a circuit that is being written.

    What is there of an earlier run stays, with its annotations; its figures are those of now. The
    transaction holds the model.

    Raises:
        SpecError: A component's name is none we know.
    """
    own, nodes = circuit.circuit_id, _node_rows(circuit)
    there: dict[str, Row] = {}
    if fetch(tx, _HAS_NODES, circuit_id=own):
        ids = (row["node_id"] for row in nodes)
        there = {row["node_id"]: row for row in fetch_batches(tx, _FIND_NODES, ids)}
        _update_nodes(tx, circuit, nodes, there)
        edges = read_edges(tx, own)
        if edges and len(edges) == circuit.n_edges:
            _update_edges(tx, circuit, edges)
            return
        if edges:  # torn: a server lost a part of what was written
            tx.run(_DELETE_EDGES, circuit_id=own).consume()
    write_components(tx, circuit.model.fingerprint, nodes)
    new = [row for row in nodes if row["node_id"] not in there]
    write_batches(tx, _CREATE_NODES, new, circuit_id=own)
    write_groups(tx, _CREATE_EDGES, _edge_rows(circuit), "sender")


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
    """One row a node, with what is known of it beside its edges."""
    rows = component_rows(circuit.model, circuit.node_names, circuit.dictionary_of)
    known = {node.name: node for node in circuit.nodes}
    for row in rows:
        figures = known.get(row["name"]) or NodeFigures(name=row["name"])
        row["node_id"] = f"{circuit.circuit_id}:{row['name']}"
        row["label"] = row["name"] if figures.label is None else figures.label
        row |= {name: getattr(figures, name) for name in NODE_FIGURES}
    return rows


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


def _update_nodes(
    tx: Transaction, circuit: CircuitDocument, rows: Iterable[Row], there: dict[str, Row]
) -> None:
    """Write what is known anew of stored nodes; what has no figures now keeps those it has."""
    known = {node.name for node in circuit.nodes}
    changes: list[Row] = []
    for row in rows:
        old = there.get(row["node_id"])
        if old is None or row["name"] not in known:
            continue
        unnamed = old["label"] == row["name"] != row["label"]
        if unnamed or any(old[name] != row[name] for name in NODE_FIGURES):
            changes.append(row)
    write_batches(tx, _SET_FIGURES, changes)


def _update_edges(tx: Transaction, circuit: CircuitDocument, rows: Iterable[Row]) -> None:
    """Write what was measured anew of a stored circuit's edges; mostly nothing."""
    stored = {(row["sender"], row["receiver"], row["channel"]): row for row in rows}
    changes: list[Row] = []
    for row, edge in zip(_edge_rows(circuit), circuit.edges, strict=True):
        old = stored[edge.sender, edge.receiver, edge.channel.value]
        new = {name: row[name] for name in FIGURES}
        if any(old[name] != value for name, value in new.items()):
            changes.append(row | {"edge": f"{edge.receiver} {edge.channel.value}"})
    for senders in grouped(changes, "sender"):
        sent = [
            {
                "sender": of["sender"],
                "changes": {
                    row["edge"]: {name: row[name] for name in FIGURES} for row in of["rows"]
                },
            }
            for of in senders
        ]
        write_rows(tx, _UPDATE_EDGES, rows=sent, expected=sum(len(of["changes"]) for of in sent))
