"""The nodes and edges of a circuit: created at once, read in its order, measured anew in place.

They may be there before their `Circuit` is, as a *draft*: what a job has stored of a circuit before
the job ends. Nothing that goes by circuits sees a draft; `contain_nodes` makes a circuit of it.

On the embedded server a relationship between two given nodes, matched or merged, is looked for from
the left one, relationship by relationship. So nothing here looks for one from a node that has as
many as a circuit has nodes: whether it is there is asked from the other end, and what is not is
created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, NodeFigures
from graph_schema.errors import StoreError
from graph_schema.store.batches import (
    Row,
    batched,
    fetch,
    fetch_batches,
    grouped,
    lots,
    write_batches,
    write_groups,
    write_rows,
)
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.components import component_rows, write_components

_CONTAINED: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
RETURN n.node_id AS node_id
"""
_CONTAIN: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
UNWIND $rows AS id
MATCH (n:CircuitNode {node_id: id})
CREATE (c)-[:CONTAINS]->(n)
RETURN count(n) AS written
"""
_FIND_NODES: LiteralString = """
UNWIND $rows AS id MATCH (n:CircuitNode {node_id: id})
RETURN n.node_id AS node_id, n.label AS label, n.effect AS effect, n.activation AS activation,
       n.token AS token, n.probability AS probability
"""
_CREATE_NODES: LiteralString = """
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id})
CREATE (n:CircuitNode {node_id: row.node_id, name: row.name, unit: row.unit, label: row.label,
                       kind: row.kind, layer: row.layer, head: row.head, index: row.index,
                       position: row.position, depth: row.depth, roles: [],
                       effect: row.effect, activation: row.activation, token: row.token,
                       probability: row.probability})
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
# Edges are created, not merged: `put_edges` has read what is there. A row is a sender, looked up
# once for all its edges.
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
_SENT: LiteralString = """
UNWIND $rows AS id
MATCH (:CircuitNode {node_id: id})-[e:EDGE]->(b:CircuitNode)
RETURN id AS sender, b.node_id AS receiver, e.channel AS channel, e.score AS score,
       e.score_kind AS score_kind, e.stability AS stability, e.exact AS exact,
       e.position AS position
"""
_STORED_NODES: LiteralString = """
MATCH (n:CircuitNode) WHERE n.node_id STARTS WITH $prefix RETURN n.node_id AS id
"""
_REMOVE_EDGES: LiteralString = """
UNWIND $ids AS id
MATCH (:CircuitNode {node_id: id})-[e:EDGE]->(:CircuitNode)
WITH e LIMIT $most
DELETE e
RETURN count(*) AS n
"""
_REMOVE_NODES: LiteralString = """
UNWIND $ids AS id
MATCH (n:CircuitNode {node_id: id})
DETACH DELETE n
"""
# A stored edge is the same edge (names are in the circuit's id): only what was measured can differ.
# A row is a sender with what changed of its edges, by receiver and channel: one walk over them.
_UPDATE_EDGES: LiteralString = """
UNWIND $rows AS row
MATCH (:CircuitNode {node_id: row.sender})-[e:EDGE]->(b:CircuitNode)
WITH e, row.changes[b.node_id + ' ' + e.channel] AS new
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


MOST_REMOVED = 5_000
"""Edges that one transaction removes."""
NODES = 200
"""Nodes that one transaction looks at for that."""

FIGURES = ("score", "score_kind", "stability", "exact", "position")
"""What can differ between two measurements of one edge."""
NODE_FIGURES = ("effect", "activation", "token", "probability")
"""And of one node."""


def write_nodes(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write a circuit's nodes, whether or not there is a `Circuit` yet; those there are kept.

    The transaction holds the model, and has written the dictionaries.

    Raises:
        SpecError: A component's name is none we know.
    """
    rows = _node_rows(circuit)
    ids = (row["node_id"] for row in rows)
    there = {row["node_id"]: row for row in fetch_batches(tx, _FIND_NODES, ids)}
    _update_nodes(tx, circuit, rows, there)
    write_components(tx, circuit.model.fingerprint, rows)
    write_batches(tx, _CREATE_NODES, [row for row in rows if row["node_id"] not in there])


def put_edges(tx: Transaction, edges: Iterable[Row]) -> None:
    """Write edges (`edge_rows`) of stored nodes: those that are there get the figures of now."""
    rows = list(edges)
    senders = sorted({row["sender"] for row in rows})
    stored = {_key(row): row for row in fetch_batches(tx, _SENT, senders)}
    if stored:
        kept = [row for row in rows if _key(row) in stored]
        _update_edges(tx, (row for row in kept if _differs(row, stored[_key(row)])))
        rows = [row for row in rows if _key(row) not in stored]
    write_groups(tx, _CREATE_EDGES, rows, "sender")


def contain_nodes(tx: Transaction, circuit: CircuitDocument) -> None:
    """Hang a circuit's stored nodes on its stored `Circuit`: from now on they are seen.

    Raises:
        WriteMissed: One of them is not stored.
    """
    own = circuit.circuit_id
    there = {row["node_id"] for row in fetch(tx, _CONTAINED, circuit_id=own)}
    ids = (f"{own}:{name}" for name in sorted(circuit.node_names))
    write_batches(tx, _CONTAIN, [each for each in ids if each not in there], circuit_id=own)


def stored_nodes(store: GraphStore, circuit_id: str) -> tuple[str, ...]:
    """The ids of the nodes that are stored of a circuit or of a draft."""
    return tuple(row["id"] for row in store.rows(_STORED_NODES, prefix=f"{circuit_id}:"))


def removing(node_ids: Sequence[str]) -> Iterator[Callable[[Transaction], bool]]:
    """Steps that remove stored nodes, all their edges first; none of them is long.

    Each is for transactions of its own, one after another until it returns True: nothing is left.
    """
    some = list(lots(node_ids, NODES))
    yield from (partial(_remove_edges, node_ids=each) for each in some)
    yield from (partial(_remove_nodes, node_ids=each) for each in some)


def _remove_edges(tx: Transaction, node_ids: list[str]) -> bool:
    """Remove some of the edges that these nodes send; True where they send none any more."""
    return fetch(tx, _REMOVE_EDGES, ids=node_ids, most=MOST_REMOVED)[0]["n"] < MOST_REMOVED


def _remove_nodes(tx: Transaction, node_ids: list[str]) -> bool:
    for batch in batched(node_ids):
        tx.run(_REMOVE_NODES, ids=batch).consume()
    return True


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


def edge_rows(circuit: CircuitDocument, first: int = 0, most: int | None = None) -> Iterator[Row]:
    """One row an edge, sender by sender: a batch then looks up few nodes for many edges.

    In that order from the one numbered `first` on, at most so many.
    """
    own = circuit.circuit_id
    places = sorted(range(circuit.n_edges), key=lambda place: circuit.edges[place].sender)
    for place in places[first : None if most is None else first + most]:
        edge = circuit.edges[place]
        yield {
            "sender": f"{own}:{edge.sender}",
            "receiver": f"{own}:{edge.receiver}",
            "channel": edge.channel.value,
            "score": edge.score,
            "score_kind": edge.score_kind and edge.score_kind.value,
            "stability": edge.stability,
            "exact": edge.exact,
            "position": place,
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


def _key(row: Row) -> tuple[str, str, str]:
    """What tells an edge from others."""
    return row["sender"], row["receiver"], row["channel"]


def _differs(row: Row, stored: Row) -> bool:
    return any(row[name] != stored[name] for name in FIGURES)


def _update_edges(tx: Transaction, rows: Iterable[Row]) -> None:
    """Write what was measured anew of stored edges; mostly nothing."""
    for senders in grouped(rows, "sender"):
        sent = [
            {
                "sender": of["sender"],
                "changes": {
                    f"{row['receiver']} {row['channel']}": {name: row[name] for name in FIGURES}
                    for row in of["rows"]
                },
            }
            for of in senders
        ]
        write_rows(tx, _UPDATE_EDGES, rows=sent, expected=sum(len(of["changes"]) for of in sent))
