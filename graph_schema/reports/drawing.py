"""A circuit as a drawing: components from the input down to the logits, edges as curves.

Colour says the channel; in a comparison it says whose an edge is. Width grows with |score|, a
broken line is a score below zero. The strongest edges are drawn, and the caption says how many.
Under a component's name stands what it is called, shortened; the pointer shows the whole of it. The
sheet is as wide as its widest row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from graph_schema.documents import Channel, CircuitDocument, CircuitEdge, Component, ComponentKind
from graph_schema.reports import svg
from graph_schema.reports.nodes import node_labels, shortened
from graph_schema.reports.tables import cell
from graph_schema.reports.text import strongest

MOST = 60
NO_LABELS: Mapping[str, str] = MappingProxyType({})
WIDTH, ROW, MARGIN = 760, 58, 24
NODE_HEIGHT, COLUMN = 22, 64
CHANNELS = {
    Channel.Q: (svg.BLUE, "query"),
    Channel.K: (svg.ORANGE, "key"),
    Channel.V: (svg.GREEN, "value"),
    Channel.R: (svg.INK, "residual"),
}
# Where on its receiver an edge ends: queries left, values right.
_OFFSET = {Channel.Q: -8.0, Channel.K: 0.0, Channel.V: 8.0, Channel.R: 0.0}


@dataclass(frozen=True)
class Stroke:
    """An edge to draw: its colour, and what to say of it."""

    edge: CircuitEdge
    colour: str
    hint: str


def circuit_svg(circuit: CircuitDocument, most: int = MOST) -> str:
    """The circuit's strongest edges, as an SVG document."""
    chosen = strongest(circuit.edges)[:most]
    strokes = [
        Stroke(edge, CHANNELS[edge.channel][0], f"{edge.name}  {cell(edge.score)}")
        for edge in chosen
    ]
    used = {edge.channel for edge in chosen}
    entries = [entry for channel, entry in CHANNELS.items() if channel in used]
    name = f"circuit {circuit.circuit_id[:12]} of {circuit.model.name}"
    n_layers = circuit.model.n_layers
    return draw(strokes, n_layers, entries, name, circuit.n_edges, node_labels(circuit))


def draw(
    strokes: Sequence[Stroke],
    n_layers: int,
    entries: Sequence[tuple[str, str]],
    title: str,
    n_edges: int,
    labels: Mapping[str, str] = NO_LABELS,
) -> str:
    """These edges as an SVG document; `entries` explain the colours, `n_edges` is of how many.

    `labels` are what components are called, by name.
    """
    boxes = _boxes([stroke.edge for stroke in strokes], labels)
    places, rows, sheet = _places(boxes, n_layers)
    largest = max((stroke.edge.strength for stroke in strokes), default=0.0) or 1.0
    shapes = svg.legend(MARGIN, 20, entries)
    for stroke in reversed(strokes):  # the strongest on top
        edge = stroke.edge
        (x1, y1), (x2, y2) = places[edge.sender], places[edge.receiver]
        shapes.append(
            svg.curve(
                (x1, y1 + NODE_HEIGHT / 2),
                (x2 + _OFFSET[edge.channel], y2 - NODE_HEIGHT / 2),
                stroke.colour,
                width=1 + 3 * edge.strength / largest,
                dashed=(edge.score or 0) < 0,
                hint=stroke.hint,
            )
        )
    for name, (x, y) in places.items():
        width, said = boxes[name], labels.get(name, "")
        hint = f"{name}  {said}" if said else ""
        shapes.append(svg.box(x - width / 2, y - NODE_HEIGHT / 2, width, NODE_HEIGHT, hint=hint))
        shapes.append(svg.text(x, y if said else y + 4, name, anchor="middle"))
        if said:
            words = shortened(said)
            shapes.append(svg.text(x, y + 9, words, size=8, anchor="middle", fill=svg.FAINT))
    height = MARGIN + ROW * max(rows, 1) + 34
    shown = "all" if len(strokes) == n_edges else f"the strongest {len(strokes)} of"
    words = f"{shown} {n_edges:,} edges; broken where the score is below 0"
    shapes.append(svg.text(MARGIN, height - 10, words, fill=svg.FAINT))
    return svg.sheet(sheet, height, shapes, title)


def _boxes(edges: Sequence[CircuitEdge], labels: Mapping[str, str]) -> dict[str, float]:
    """How wide each component's box is."""
    names = {end for edge in edges for end in (edge.sender, edge.receiver)}
    return {
        name: max(14 + 6.6 * len(name), 10 + 4.4 * len(shortened(labels.get(name, ""))))
        for name in names
    }


def _places(
    boxes: Mapping[str, float], n_layers: int
) -> tuple[Mapping[str, tuple[float, float]], int, float]:
    """The middle of each component, the number of rows, and the sheet's width; time runs downwards.

    MLPs have a column of their own on the left, so that their chain does not run behind heads.
    """
    by_row: dict[int, list[Component]] = defaultdict(list)
    for name in boxes:
        part = Component.parse(name)
        by_row[part.order(n_layers)].append(part)
    steps = [len(row) * (max(boxes[part.name] for part in row) + 8) for row in by_row.values()]
    sheet = max([WIDTH, *(step + 2 * MARGIN + COLUMN for step in steps)])
    places: dict[str, tuple[float, float]] = {}
    for number_of_row, order in enumerate(sorted(by_row)):
        row = sorted(by_row[order], key=lambda part: part.place(n_layers))
        step = (sheet - 2 * MARGIN - COLUMN) / len(row)
        for place, part in enumerate(row):
            alone = part.kind is ComponentKind.MLP and len(row) == 1
            x = COLUMN / 2 if alone else COLUMN + step * (place + 0.5)
            places[part.name] = (MARGIN + x, MARGIN + ROW * (number_of_row + 0.5) + 8)
    return places, len(by_row), sheet
