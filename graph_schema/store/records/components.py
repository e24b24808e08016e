"""Components in the graph: those of a model that some circuit or role test has named.

A component belongs to the fingerprint it was named in and never changes. It is created, not merged,
by a transaction that holds the model (`models.py`): the embedded server looks for a relationship
between two given nodes from the left one, one by one, and a model has as many as it has components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Component, ComponentKind, DictionaryDocument, ModelDocument
from graph_schema.store.batches import Row, fetch_batches, write_batches, write_groups
from graph_schema.store.records.dictionaries import dictionary_key

_FIND: LiteralString = """
UNWIND $rows AS id MATCH (p:Component {component_id: id}) RETURN p.component_id AS component_id
"""
# Under the model's lock (`models.py`): nobody else makes the same one meanwhile.
_CREATE: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint})
UNWIND $rows AS row
CREATE (p:Component {component_id: row.component_id, name: row.unit, kind: row.kind,
                     layer: row.layer, head: row.head, index: row.index, depth: row.depth})
CREATE (m)-[:HAS]->(p)
RETURN count(p) AS written
"""
# A row is a dictionary with its units.
_CREATE_OF: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint})
UNWIND $rows AS of
MATCH (d:Dictionary {dictionary_key: of.dictionary_key})
UNWIND of.rows AS row
CREATE (p:Component {component_id: row.component_id, name: row.unit, kind: row.kind,
                     layer: row.layer, head: row.head, index: row.index, depth: row.depth})
CREATE (m)-[:HAS]->(p)
CREATE (p)-[:FEATURE_OF]->(d)
RETURN count(p) AS written
"""


def write_components(tx: Transaction, fingerprint: str, rows: list[Row]) -> None:
    """Write those of `component_rows` that are not there; a component never changes.

    The transaction holds the model, and has written the dictionaries.
    """
    by_id = {row["component_id"]: row for row in rows}  # one at several positions is one
    there = {row["component_id"] for row in fetch_batches(tx, _FIND, by_id)}
    missing = [row for id, row in by_id.items() if id not in there]
    whole = [row for row in missing if row["dictionary_key"] is None]
    units = [row for row in missing if row["dictionary_key"] is not None]
    write_batches(tx, _CREATE, whole, fingerprint=fingerprint)
    write_groups(tx, _CREATE_OF, units, "dictionary_key", fingerprint=fingerprint)


def component_rows(
    model: ModelDocument,
    names: Iterable[str],
    dictionary_of: Callable[[str], DictionaryDocument | None] = lambda _: None,
) -> list[Row]:
    """One row a node, in the order of the forward pass; nodes at several positions share an id.

    `dictionary_of` gives what a node is cut out by: `m3.f17` of two dictionaries are two. It is
    asked once for each kind of part of a component.

    Raises:
        SpecError: A name is none we know.
    """
    layers, rows = model.n_layers, list[Row]()
    components = [Component.parse(name) for name in set(names)]
    keys: dict[tuple[str, ComponentKind], str | None] = {}
    for part in sorted(components, key=lambda part: part.place(layers)):
        kind = (part.host, part.kind)
        if kind not in keys:  # an id is a hash of the whole document
            of = dictionary_of(part.name) if part.fine else None
            keys[kind] = dictionary_key(model.fingerprint, of) if of else None
        key = keys[kind]
        rows.append(
            {
                "component_id": f"{key or model.fingerprint}:{part.unit}",
                "dictionary_key": key,
                "name": part.name,
                "unit": part.unit,
                "kind": part.kind.value,
                "layer": part.layer,
                "head": part.head,
                "index": part.index,
                "position": part.position,
                "depth": part.depth(layers),
            }
        )
    return rows
