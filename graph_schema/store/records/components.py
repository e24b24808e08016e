"""Components in the graph: those of a model that some circuit or role test has named.

A component belongs to the fingerprint it was named in and never changes. It is created, not merged,
by a transaction that holds the model (`models.py`): the embedded server looks for a relationship
between two given nodes from the left one, one by one, and a model has as many as it has components.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import Component, ModelDocument
from graph_schema.store.batches import Row, fetch_batches, write_batches

_FIND: LiteralString = """
UNWIND $rows AS id MATCH (p:Component {component_id: id}) RETURN p.component_id AS component_id
"""
# Under the model's lock (`models.py`): nobody else makes the same one meanwhile.
_CREATE: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint})
UNWIND $rows AS row
CREATE (p:Component {component_id: row.component_id, name: row.name, kind: row.kind,
                     layer: row.layer, head: row.head, index: row.index, depth: row.depth})
CREATE (m)-[:HAS]->(p)
RETURN count(p) AS written
"""


def write_components(tx: Transaction, fingerprint: str, rows: list[Row]) -> None:
    """Write those of `component_rows` that are not there; a component never changes.

    The transaction holds the model.
    """
    ids = [row["component_id"] for row in rows]
    found = fetch_batches(tx, _FIND, ids)
    there = {row["component_id"] for row in found}
    missing = [row for row in rows if row["component_id"] not in there]
    write_batches(tx, _CREATE, missing, fingerprint=fingerprint)


def component_rows(model: ModelDocument, names: Iterable[str]) -> list[Row]:
    """One row a component, in the order of the forward pass.

    Raises:
        SpecError: A name is none we know.
    """
    layers = model.n_layers
    components = [Component.parse(name) for name in set(names)]
    components.sort(key=lambda part: (part.order(layers), part.head or 0, part.name))
    return [
        {
            "component_id": f"{model.fingerprint}:{part.name}",
            "name": part.name,
            "kind": part.kind.value,
            "layer": part.layer,
            "head": part.head,
            "index": part.index,
            "depth": part.depth(layers),
        }
        for part in components
    ]
