"""What units of a model are, on their components: to be searched, whatever circuits they are in.

The whole of a description, with every example's activations, is in a circuit's artifacts; here is
what a query asks for. A later description replaces an earlier one, with the dataset that it is of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, FeatureDescription
from graph_schema.store.batches import Row, write_batches
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.components import component_rows

SHOWN = 3
"""Examples that stand on a component."""
AROUND = 60
"""Characters of an example on either side of the token that it peaks at."""

# A dictionary's own label is the first; what a person says later stays.
_WRITE: LiteralString = """
UNWIND $rows AS row
MATCH (p:Component {component_id: row.component_id})
SET p += row.described
SET p.label = coalesce(p.label, row.label)
RETURN count(p) AS written
"""
_READ: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)-[:OF]->(p:Component)
WHERE p.density IS NOT NULL OR p.label IS NOT NULL
WITH DISTINCT p
RETURN p.name AS name, p.label AS label, p.density AS density,
       p.max_activation AS max_activation, coalesce(p.promotes, []) AS promotes,
       coalesce(p.suppresses, []) AS suppresses, p.detection AS detection,
       p.detection_activation AS detection_activation, coalesce(p.examples, []) AS examples,
       p.described_on AS described_on
ORDER BY p.depth, name
"""


@dataclass(frozen=True)
class StoredFeature:
    """What stands on a unit's component.

    Attributes:
        promotes: Text of tokens, the most promoted first; suppresses likewise.
        detection: By the tokens at which examples peak; `detection_activation`: by activation.
        examples: Text with the token at the peak marked: `and« Mary» went`.
        described_on: Hash of the dataset that the description is of.
    """

    name: str
    label: str | None
    density: float | None
    max_activation: float | None
    promotes: tuple[str, ...]
    suppresses: tuple[str, ...]
    detection: float | None
    detection_activation: float | None
    examples: tuple[str, ...]
    described_on: str | None


def write_features(
    tx: Transaction, circuit: CircuitDocument, described: Iterable[FeatureDescription]
) -> None:
    """Write descriptions on the components of a stored circuit's own units; others are left out."""
    found = component_rows(circuit.model, circuit.unit_names, circuit.dictionary_of)
    own = {row["unit"]: row for row in found}
    rows: list[Row] = []
    for each in described:
        if (row := own.get(each.name)) is not None:
            id = row["component_id"]
            rows.append({"component_id": id, "label": each.label, "described": _properties(each)})
    write_batches(tx, _WRITE, rows)


def read_features(store: GraphStore, circuit_id: str) -> tuple[StoredFeature, ...]:
    """What is known of a circuit's units, whichever circuit it was told for, by depth."""
    return tuple(
        StoredFeature(**{name: _frozen(value) for name, value in row.items()})
        for row in store.rows(_READ, circuit_id=circuit_id)
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _properties(described: FeatureDescription) -> Row:
    return {
        "density": described.density,
        "max_activation": described.max_activation,
        "promotes": [token.text for token in described.promotes],
        "suppresses": [token.text for token in described.suppresses],
        "detection": described.detected("tokens"),
        "detection_activation": described.detected("activation"),
        "examples": [example.marked(AROUND) for example in described.examples[:SHOWN]],
        "described_on": described.dataset_sha256,
    }
