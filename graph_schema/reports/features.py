"""What a circuit's units are, as a table: a row each, what it is called or what it writes."""

from __future__ import annotations

from graph_schema.documents import CircuitDocument, Component, FeatureDescription, Features
from graph_schema.printable import clipped, shortened
from graph_schema.reports.tables import table

AROUND = 24
PROMOTED = 4
LONGEST = 40
CALLED = 60
COLUMNS = ("node", "effect", "density", "detection", "is", "promotes", "where it is most active")


def feature_table(circuit: CircuitDocument, features: Features, top: int | None = None) -> str:
    """The units with the largest |effect| first, then in the order of the forward pass.

    What a unit is: its label, or else nothing. `detection` is the balanced accuracy of telling
    held-out prompts on which it is active by the tokens at which its examples peak.
    """
    figures = {node.name: node for node in circuit.nodes}
    units, own = map(Component.parse, circuit.nodes_in_order), set(circuit.unit_names)

    def rank(part: Component) -> float:
        node = figures.get(part.name)
        return -abs(node.effect) if node is not None and node.effect is not None else 0.0

    rows: list[tuple[object, ...]] = []
    for part in sorted((part for part in units if part.unit in own), key=rank)[:top]:
        unit, node = features.by_name.get(part.unit), figures.get(part.name)
        label = (node.label if node is not None else None) or (unit.label if unit else None) or ""
        rows.append(
            (
                part.name,
                node.effect if node else None,
                *_figures(unit),
                shortened(label, CALLED),
                *_words(unit),
            )
        )
    filled = [i for i in range(len(COLUMNS)) if i == 0 or any(row[i] for row in rows)]
    return table([COLUMNS[i] for i in filled], [[row[i] for i in filled] for row in rows])


def _figures(unit: FeatureDescription | None) -> tuple[float | None, float | None]:
    return (None, None) if unit is None else (unit.density, unit.detected("tokens"))


def _words(unit: FeatureDescription | None) -> tuple[str, str]:
    if unit is None:
        return "", ""
    promotes = " ".join(token.text.strip() for token in unit.promotes[:PROMOTED])
    shown = unit.examples[0].marked(AROUND) if unit.examples else ""
    return clipped(promotes, LONGEST), shown
