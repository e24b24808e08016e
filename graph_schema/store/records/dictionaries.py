"""Dictionaries in the graph: what features of a model's circuits are units of.

Neurons are the model's own and have none. A dictionary belongs to the fingerprint it was used with.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, DictionaryDocument
from graph_schema.store.batches import Row, write_batches
from graph_schema.store.connection import GraphStore
from graph_schema.store.stored import stored_document

_WRITE: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint})
UNWIND $rows AS row
MERGE (d:Dictionary {dictionary_key: row.dictionary_key})
ON CREATE SET d.created_at = timestamp()
SET d += row
MERGE (d)-[:ON]->(m)
RETURN count(d) AS written
"""
_LINK: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
UNWIND $rows AS row
MATCH (d:Dictionary {dictionary_key: row.dictionary_key})
MERGE (c)-[:USES]->(d)
RETURN count(d) AS written
"""
_READ: LiteralString = """
MATCH (d:Dictionary)-[:ON]->(:Model {fingerprint: $fingerprint})
RETURN d.document AS document, d.dictionary_id AS id ORDER BY d.layer, d.site, id
"""


def dictionary_key(fingerprint: str, dictionary: DictionaryDocument) -> str:
    """What tells a dictionary on a model from the same one on another."""
    return f"{fingerprint}:{dictionary.dictionary_id}"


def write_dictionaries(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write the dictionaries of a circuit, with what a check found of them."""
    checks = {check.dictionary_id: check for check in circuit.dictionary_checks}
    rows: list[Row] = []
    for each in circuit.dictionaries:
        row: Row = {
            "dictionary_key": dictionary_key(circuit.model.fingerprint, each),
            "dictionary_id": each.dictionary_id,
            "sha256": each.sha256,
            "kind": each.kind.value,
            "site": each.site.words,
            "layer": each.site.layer,
            "width": each.width,
            "release": each.release,
            "document": each.model_dump_json(),
        }
        if check := checks.get(each.dictionary_id):
            for name in ("explained_variance", "l0", "dead_share", "warning"):
                row[name] = getattr(check, name)
        rows.append(row)
    write_batches(tx, _WRITE, rows, fingerprint=circuit.model.fingerprint)


def link_dictionaries(tx: Transaction, circuit: CircuitDocument) -> None:
    """Say of a stored circuit which stored dictionaries its components are cut by."""
    of = circuit.model.fingerprint
    keys = [{"dictionary_key": dictionary_key(of, each)} for each in circuit.dictionaries]
    write_batches(tx, _LINK, keys, circuit_id=circuit.circuit_id)


def read_dictionaries(store: GraphStore, fingerprint: str) -> tuple[DictionaryDocument, ...]:
    """The dictionaries that circuits of a model were cut by, by layer."""
    rows = store.rows(_READ, fingerprint=fingerprint)
    return tuple(
        stored_document(DictionaryDocument, row["document"], f"dictionary {row['id']}")
        for row in rows
    )
