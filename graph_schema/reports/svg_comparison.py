"""Circuits side by side, as a picture: whose edges are whose, how alike they are, how good.

Two circuits of one model are drawn into one another; several are a square of overlaps; checkpoints
are lines along training; circuits of different models are bars of figures and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph_schema.documents import CircuitDocument, CircuitEdge, Comparisons, PackedEdges, Scope
from graph_schema.documents.comparison import Side
from graph_schema.reports import svg
from graph_schema.reports.circuit_picture import MOST, Stroke, draw, how_to_read
from graph_schema.reports.comparison import comparison_text, letters
from graph_schema.reports.drawn_circuit import DrawnCircuit
from graph_schema.reports.html import picture_html, words_html
from graph_schema.reports.nodes import node_labels
from graph_schema.reports.tables import cell, number
from graph_schema.reports.text import strongest

BAR, CELL = 22, 58
WIDTH, MARGIN = 760, 24


def comparison_svg(found: Comparisons, circuits: Sequence[CircuitDocument]) -> str:
    """The picture that fits the comparison, as an SVG document.

    Args:
        found: What was compared.
        circuits: The circuits, in its order.
    """
    if found.training:
        return _training(found)
    if found.scope is Scope.ACROSS_MODELS:
        return _figures(found.sides)
    if len(circuits) == 2:
        return _two(circuits[0], circuits[1])
    return _square(found)


def comparison_html(found: Comparisons, circuits: Sequence[CircuitDocument]) -> str:
    """Picture and tables, for a notebook."""
    picture = picture_html(comparison_svg(found, circuits))
    return f"<div>{picture}{words_html(comparison_text(found))}</div>"


def _two(a: CircuitDocument, b: CircuitDocument) -> str:
    own: Mapping[str, CircuitEdge] = {edge.name: edge for edge in a.edges}
    other: Mapping[str, CircuitEdge] = {edge.name: edge for edge in b.edges}
    union = strongest({**other, **own}.values())
    strokes: list[Stroke] = []
    for name in (edge.name for edge in union[:MOST]):
        one, two = own.get(name), other.get(name)
        scores = ", ".join(
            f"{side} {cell(edge.score)}" for side, edge in (("A", one), ("B", two)) if edge
        )
        colour = svg.INK if one and two else svg.BLUE if one else svg.ORANGE
        strokes.append(Stroke(colour, f"{name}  {scores}"))
    n_both = len(own.keys() & other.keys())
    entries = [
        (svg.INK, f"both ({n_both})"),
        (svg.BLUE, f"only A, {a.circuit_id[:12]} ({len(own) - n_both})"),
        (svg.ORANGE, f"only B, {b.circuit_id[:12]} ({len(other) - n_both})"),
    ]
    title = f"circuits {a.circuit_id[:12]} and {b.circuit_id[:12]}"
    labels = {**node_labels(b), **node_labels(a)}
    drawn = DrawnCircuit.of(PackedEdges.of(union[:MOST]), a.model.n_layers)
    said = how_to_read(len(strokes), len(union))
    return draw(drawn, strokes, entries, title, said, labels)


def _square(found: Comparisons) -> str:
    """Every two circuits' Jaccard index of edges: the darker, the more alike."""
    n = len(found.sides)
    names = letters(n)
    places = [(i, j) for i in range(n) for j in range(i + 1, n)]
    shapes = [svg.text(MARGIN, 20, "Jaccard index of edges, every two circuits")]
    for (i, j), pair in zip(places, found.pairs, strict=True):
        share = pair.edges.jaccard if pair.edges is not None else None
        x, y = MARGIN + CELL * j, 40 + CELL * i
        level = round(255 - 155 * (share or 0.0))
        shapes.append(svg.box(x, y, CELL - 4, CELL - 4, fill=f"#{level:02x}{level:02x}ff"))
        words = "" if share is None else f"{share:.2f}"
        shapes.append(svg.text(x + CELL / 2 - 2, y + CELL / 2 + 2, words, anchor="middle"))
    for i, name in enumerate(names):
        x, y = MARGIN + CELL * i, 40 + CELL * i
        shapes.append(svg.text(x + CELL / 2 - 2, y + CELL / 2 + 2, name, anchor="middle", size=14))
    y = 40 + CELL * n + 20
    for name, side in zip(names, found.sides, strict=True):
        shapes.append(svg.text(MARGIN, y, f"{name}  {_called(side)}"))
        y += 16
    return svg.sheet(max(WIDTH, 2 * MARGIN + CELL * n), y, shapes, "overlap of circuits")


def _training(found: Comparisons) -> str:
    """Overlap with the checkpoint before and with the last, and held-out faithfulness."""
    n, top, bottom = len(found.training), 44.0, 244.0
    step = (WIDTH - 3 * MARGIN) / max(n - 1, 1)

    def at(place: int, value: float) -> tuple[float, float]:
        return (2 * MARGIN + step * place, bottom - (bottom - top) * max(0.0, min(1.0, value)))

    lines = {
        "Jaccard with the one before": (
            svg.BLUE,
            [each.edges_before and each.edges_before.jaccard for each in found.training],
        ),
        "Jaccard with the last": (
            svg.ORANGE,
            [each.edges_last and each.edges_last.jaccard for each in found.training],
        ),
        "held-out faithfulness": (
            svg.GREEN,
            [side.heldout_faithfulness for side in found.sides],
        ),
    }
    shapes = svg.legend(MARGIN, 20, [(colour, words) for words, (colour, _) in lines.items()])
    for value in (0.0, 0.5, 1.0):
        (x, y), (end, _) = at(0, value), at(n - 1, value)
        shapes.append(svg.line([(x, y), (end, y)], "#dddddd"))
        shapes.append(svg.text(MARGIN + 16, y + 4, f"{value:g}", anchor="end", fill=svg.FAINT))
    for colour, values in lines.values():
        points = [at(i, value) for i, value in enumerate(values) if value is not None]
        shapes.append(svg.line(points, colour, width=2))
        shapes += [svg.box(x - 2, y - 2, 4, 4, fill=colour, stroke=colour) for x, y in points]
    y = bottom + 24
    for i, (name, side) in enumerate(zip(letters(n), found.sides, strict=True)):
        shapes.append(svg.text(at(i, 0)[0], bottom + 16, name, anchor="middle"))
        y += 16
        shapes.append(svg.text(MARGIN, y, f"{name}  {_called(side)}"))
    return svg.sheet(WIDTH, y + 14, shapes, "circuits along training")


def _figures(sides: Sequence[Side]) -> str:
    """Faithfulness on both splits, with its interval: all that may stand side by side."""
    shapes = svg.legend(MARGIN, 20, [(svg.BLUE, "faithfulness"), (svg.ORANGE, "held out")])
    left, right = 300.0, WIDTH - 3.0 * MARGIN

    def at(value: float) -> float:
        return left + (right - left) * max(0.0, min(1.0, value))

    y = 44.0
    for name, side in zip(letters(len(sides)), sides, strict=True):
        shapes.append(svg.text(MARGIN, y + 12, f"{name}  {side.model}"))
        about = f"{side.task or 'unknown task'}, {side.n_edges:,} edges"
        shapes.append(svg.text(MARGIN, y + 28, about))
        for value, interval, colour in (
            (side.faithfulness, side.faithfulness_interval, svg.BLUE),
            (side.heldout_faithfulness, side.heldout_interval, svg.ORANGE),
        ):
            if value is None:
                shapes.append(svg.text(left, y + 13, "not measured", fill=svg.FAINT))
            else:
                shapes.append(
                    svg.box(left, y + 2, max(1.0, at(value) - left), BAR - 8, fill=colour)
                )
                shapes.append(svg.text(right + 6, y + 13, number(value)))
                if interval is not None:
                    ends = [(at(bound), y + BAR / 2 - 2) for bound in interval]
                    shapes.append(svg.line(ends, svg.INK, width=2))
            y += BAR
        y += 10
    for value in (0.0, 1.0):
        shapes.append(svg.text(at(value), y + 8, f"{value:g}", anchor="middle", fill=svg.FAINT))
    words = "different models: nodes and edges are not compared; bars end at 0 and 1"
    shapes.append(svg.text(MARGIN, y + 26, words, fill=svg.FAINT))
    return svg.sheet(WIDTH, y + 38, shapes, "figures of circuits in different models")


def _called(side: Side) -> str:
    task = side.task or "unknown task"
    return f"{side.circuit_id[:12]}: {task} in {side.model} by {side.method}"
