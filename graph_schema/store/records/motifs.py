"""Motifs in the graph, and where they occur; what tests of them came to is in `motif_tests`.

What finds occurrences and computes tests is pure (`graph_schema.motifs`) and joined to the store in
`graph_schema.motif_search`; here is only what is written and read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from operator import itemgetter
from typing import LiteralString

from neo4j import Transaction
from pydantic import ValidationError

from graph_schema.documents import Motif, Occurrence
from graph_schema.store.batches import Row, fetch, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuit_edges import require_whole
from graph_schema.store.records.node_roles import mark_fresh

log = logging.getLogger(__name__)

_WRITE_MOTIF: LiteralString = """
MERGE (m:Motif {motif_id: $motif.motif_id})
ON CREATE SET m.created_at = timestamp()
SET m += $motif
RETURN count(m) AS written
"""
_READ_MOTIFS: LiteralString = """
MATCH (m:Motif) RETURN m.name AS name, m.document AS document ORDER BY m.created_at, m.name
"""
_STORED: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})<-[:IN_CIRCUIT]-(o:Occurrence)
      -[:OF_MOTIF]->(:Motif {motif_id: $motif_id})
RETURN o.occurrence_id AS id
"""
_DELETE: LiteralString = """
UNWIND $rows AS row
MATCH (o:Occurrence {occurrence_id: row})
DETACH DELETE o
RETURN count(*) AS written
"""
_WRITE_OCCURRENCES: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (m:Motif {motif_id: $motif_id})
UNWIND $rows AS row
MERGE (o:Occurrence {occurrence_id: row.id})
SET o.motif = m.name, o.circuit_id = $circuit_id, o.variables = row.variables, o.nodes = row.nodes
MERGE (o)-[:OF_MOTIF]->(m)
MERGE (o)-[:IN_CIRCUIT]->(c)
RETURN count(o) AS written
"""
_WRITE_BINDS: LiteralString = """
UNWIND $rows AS row
MATCH (o:Occurrence {occurrence_id: row.id}) MATCH (n:CircuitNode {node_id: row.node_id})
MERGE (o)-[b:BINDS {variable: row.variable}]->(n)
RETURN count(b) AS written
"""
_WRITE_SEARCHED: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (m:Motif {motif_id: $motif_id})
MERGE (c)-[s:SEARCHED]->(m)
SET s.occurrences = $occurrences, s.at = timestamp()
RETURN count(s) AS written
"""
_READ_OCCURRENCES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})<-[:IN_CIRCUIT]-(o:Occurrence)-[:OF_MOTIF]->(m:Motif)
WHERE $motif_id IS NULL OR m.motif_id = $motif_id
RETURN m.motif_id AS motif_id, m.name AS motif, o.variables AS variables, o.nodes AS nodes
ORDER BY motif, nodes
"""
_READ_NODES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
RETURN n.name AS name, n.kind AS kind, n.layer AS layer, n.depth AS depth,
       coalesce(n.roles, []) AS roles
ORDER BY name
"""
_N_EDGES: LiteralString = "MATCH (c:Circuit {circuit_id: $circuit_id}) RETURN c.n_edges AS n_edges"
_READ_EDGES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(a:CircuitNode)-[e:EDGE]->(b:CircuitNode)
RETURN e.position AS position, a.name AS sender, b.name AS receiver, e.channel AS channel,
       e.score AS score
"""


def write_motif(tx: Transaction, motif: Motif) -> None:
    """Write a motif; the same pattern again updates its description."""
    properties = {
        "motif_id": motif.motif_id,
        "name": motif.name,
        "description": motif.description,
        "source": motif.source,
        "document": motif.model_dump_json(),
    }
    write_rows(tx, _WRITE_MOTIF, motif=properties, expected=1)


def read_motifs(store: GraphStore) -> tuple[Motif, ...]:
    """All stored motifs, the oldest first.

    One that an older release took and this one refuses, since its rules contradict each other and
    it can match nothing, is left out with a word in the log.
    """
    found: list[Motif] = []
    for row in store.rows(_READ_MOTIFS):
        try:
            found.append(Motif.model_validate_json(row["document"]))
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            log.warning("stored motif %r is left out: %s", row["name"], said)
    return tuple(found)


def write_occurrences(
    tx: Transaction, motif: Motif, circuit_id: str, found: Sequence[Occurrence]
) -> None:
    """Write all occurrences of a motif in a circuit, in place of those stored before.

    The circuit counts as searched, also where none was found.
    """
    write_motif(tx, motif)
    own = {"circuit_id": circuit_id, "motif_id": motif.motif_id}
    kept = {occurrence.occurrence_id: occurrence for occurrence in found}
    stored = {str(row["id"]) for row in fetch(tx, _STORED, **own)}
    write_batches(tx, _DELETE, sorted(stored - set(kept)))
    new = {key: each for key, each in kept.items() if key not in stored}
    rows = [
        {"id": key, "variables": list(each.binds), "nodes": list(each.binds.values())}
        for key, each in new.items()
    ]
    write_batches(tx, _WRITE_OCCURRENCES, rows, **own)
    binds = [
        {"id": key, "variable": variable, "node_id": f"{circuit_id}:{name}"}
        for key, each in new.items()
        for variable, name in each.binds.items()
    ]
    write_batches(tx, _WRITE_BINDS, binds)
    write_rows(tx, _WRITE_SEARCHED, **own, occurrences=len(kept), expected=1)
    mark_fresh(tx, circuit_id, motif.motif_id)


def read_occurrences(
    store: GraphStore, circuit_id: str, motif_id: str | None = None
) -> tuple[Occurrence, ...]:
    """The stored occurrences in a circuit, of one motif or of all, by motif and nodes."""
    rows = store.rows(_READ_OCCURRENCES, circuit_id=circuit_id, motif_id=motif_id)
    return tuple(
        Occurrence(
            motif_id=row["motif_id"],
            circuit_id=circuit_id,
            binds=dict(zip(row["variables"], row["nodes"], strict=True)),
        )
        for row in rows
    )


def read_nodes(tx: Transaction, circuit_id: str) -> list[Row]:
    """The nodes of a circuit: `name`, `kind`, `layer`, `depth`, and the list of their `roles`."""
    return fetch(tx, _READ_NODES, circuit_id=circuit_id)


def read_edges(tx: Transaction, circuit_id: str) -> list[tuple[str, str, str, float]]:
    """The edges of a circuit in its order: sender, receiver, channel, score (0 where it has none).

    Raises:
        StoreError: It is torn: fewer are stored than its manifest says.
    """
    n_edges = fetch(tx, _N_EDGES, circuit_id=circuit_id)[0]["n_edges"]
    rows = tx.run(_READ_EDGES, circuit_id=circuit_id).values()
    require_whole(circuit_id, n_edges, len(rows))
    # Here, where it takes a hundredth of what it takes the embedded server.
    rows.sort(key=itemgetter(0))
    return [(row[1], row[2], row[3], row[4] or 0.0) for row in rows]
