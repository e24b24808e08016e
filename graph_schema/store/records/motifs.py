"""Motifs in the graph, where they occur, and what tests of them came to.

What finds occurrences and computes tests is pure (`graph_schema.motifs`) and joined to the store in
`graph_schema.motif_search`; here is only what is written and read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Motif, MotifTest, Occurrence
from graph_schema.store.batches import Row, fetch, write_batches, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.node_roles import mark_fresh
from graph_schema.store.stored import stored_document

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
_WRITE_TESTS: LiteralString = """
UNWIND $rows AS row
MATCH (c:Circuit {circuit_id: row.circuit_id}) MATCH (m:Motif {motif_id: row.motif_id})
MERGE (c)-[t:TESTED]->(m)
SET t = row.properties, t.at = timestamp()
RETURN count(t) AS written
"""
_READ_TESTS: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})-[t:TESTED]->(m:Motif)
RETURN m.motif_id AS motif_id, m.name AS motif, t.null_model AS null, t.observed AS observed,
       t.null_mean AS null_mean, t.null_sd AS null_sd, t.draws AS draws, t.distinct AS distinct,
       t.exact AS exact, t.p AS p, t.p_max AS p_max, t.q AS q, t.state AS state,
       t.reason AS reason
ORDER BY motif
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
    """All stored motifs, the oldest first."""
    rows = store.rows(_READ_MOTIFS)
    return tuple(stored_document(Motif, row["document"], f"motif {row['name']}") for row in rows)


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


def write_tests(
    tx: Transaction, motifs: Sequence[Motif], tests: Sequence[MotifTest], seed: int
) -> None:
    """Write what tests of these motifs came to, in place of earlier ones; `seed` is the draws'."""
    for motif in motifs:
        write_motif(tx, motif)
    write_batches(tx, _WRITE_TESTS, [_test_row(test, seed) for test in tests])


def read_tests(store: GraphStore, circuit_id: str) -> tuple[MotifTest, ...]:
    """The stored tests of a circuit, by the motif's name."""
    rows = store.rows(_READ_TESTS, circuit_id=circuit_id)
    return tuple(MotifTest.model_validate(row | {"circuit_id": circuit_id}) for row in rows)


def _test_row(test: MotifTest, seed: int) -> Row:
    properties = test.model_dump(mode="json", exclude={"circuit_id", "motif_id", "motif", "null"})
    return {
        "circuit_id": test.circuit_id,
        "motif_id": test.motif_id,
        "properties": properties | {"null_model": test.null.value, "seed": seed, "stale": False},
    }
