"""What a circuit's nodes are called and what is known of each: for pictures and a table.

Labels are other people's words: of a file, a dictionary or a user. They are shown on one line,
shortened, without characters that steer a terminal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from graph_schema.documents import CircuitDocument, Component, ComponentKind
from graph_schema.printable import shortened
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.reports.tables import table


def node_labels(circuit: CircuitDocument) -> Mapping[str, str]:
    """What nodes are called, by name, whole; a token's node without a label has its token."""
    labels = {node.name: node.label for node in circuit.nodes if node.label}
    for name in circuit.node_names - labels.keys():
        token = circuit.token_at(name)
        if token is not None and Component.parse(name).kind is ComponentKind.INPUT:
            labels[name] = repr(token)
    return labels


def token_columns(circuit: CircuitDocument, drawn: DrawnCircuit) -> list[tuple[float, str]]:
    """Under which x which token of the prompt stands, as Python writes it; none without one."""
    places: dict[int, list[float]] = {}
    for name, x in zip(drawn.number, drawn.x.tolist(), strict=True):
        at = Component.parse(name).position
        if at is not None and circuit.token_at(name) is not None:
            places.setdefault(at, []).append(x)
    tokens = circuit.prompt.tokens if circuit.prompt else ()
    return [
        (round(sum(xs) / len(xs), 2), shortened(repr(tokens[at]), 16))
        for at, xs in sorted(places.items())
    ]


def node_table(circuit: CircuitDocument, top: int | None = 20) -> str:
    """What is known of the nodes; columns that are empty are left out.

    The largest |effect| first, among equals the largest sum of |score| on a node's edges.

    Of an attribution graph that a file brought the effect is its `influence`, as it stands there.
    """
    labels, strength = node_labels(circuit), defaultdict[str, float](float)
    for edge in circuit.edges:
        for end in (edge.sender, edge.receiver):
            strength[end] += edge.strength
    known = sorted(
        circuit.nodes,
        key=lambda node: (-abs(node.effect or 0.0), -strength[node.name], node.name),
    )[:top]
    tokens = [circuit.token_at(node.name) for node in known]
    columns = {
        "node": [node.name for node in known],
        "at": [token and shortened(repr(token), 16) for token in tokens],
        "effect": [node.effect for node in known],
        "activation": [node.activation for node in known],
        "probability": [node.probability for node in known],
        "label": [shortened(labels.get(node.name, ""), 60) or None for node in known],
    }
    shown = {head: values for head, values in columns.items() if any(v is not None for v in values)}
    return table(list(shown), zip(*shown.values(), strict=True))
