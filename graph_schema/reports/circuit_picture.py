"""A circuit as SVG, for notebooks, for pages whose scripts do not run, and to keep.

Colour says the sign of a score, or in a comparison whose an edge is; width says its size, a broken
line the input that is read (q, k, v); the mark at an edge's end is filled where the score was
measured and hollow where it is an estimate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from graph_schema.documents import Channel, CircuitDocument, PackedEdges
from graph_schema.printable import printable, shortened
from graph_schema.reports import svg
from graph_schema.reports.arranged_circuit import Group, arranged
from graph_schema.reports.drawn_circuit import MEASURED, DrawnCircuit
from graph_schema.reports.nodes import node_labels
from graph_schema.reports.tables import cell
from graph_schema.reports.text import strongest

POSITIVE, NEGATIVE = svg.BLUE, svg.ORANGE
DASHES = {Channel.Q: "6 3", Channel.K: "2 3", Channel.V: "9 3 2 3"}
SIDES = {Channel.Q: -1.0, Channel.K: 0.7, Channel.V: 1.3, Channel.R: -1.6}
ROW, MARGIN, WIDTH = 60, 28, 960
HALF = 9
"""Of a node's height."""
CHOSEN, HELD, PLAIN = "#ffe9a8", "#e4eefb", "#ffffff"
MOST = 100
"""Edges of a picture in a notebook."""


@dataclass(frozen=True)
class Stroke:
    """How an edge is drawn: its colour, and what is said of it."""

    colour: str
    hint: str


def circuit_svg(circuit: CircuitDocument, most: int = MOST) -> str:
    """The circuit's strongest edges, laid out without the others, as an SVG document."""
    drawn = DrawnCircuit.of(PackedEdges.of(strongest(circuit.edges)[:most]), circuit.model.n_layers)
    return circuit_picture(drawn, circuit, most, n_edges=circuit.n_edges)


def circuit_picture(
    drawn: DrawnCircuit,
    header: CircuitDocument,
    kept: int,
    chosen: str | None = None,
    n_edges: int | None = None,
    *,
    pins: Sequence[str] = (),
    groups: Sequence[Group] = (),
) -> str:
    """The `kept` strongest edges with the nodes that they join, from the input down to the logits.

    Edges of the chosen node stand out; pinned nodes are there without an edge, too, and groups of
    nodes are one (`arranged_circuit.py`). `n_edges` is how many the circuit has, if not those
    drawn.
    """
    view = arranged(drawn, kept, pins, groups)
    strokes = [_own(view.drawn, i, summed) for i, summed in enumerate(view.counts)]
    entries = [(POSITIVE, "score above 0"), (NEGATIVE, "below 0")]
    whole = len(drawn.edges) if n_edges is None else n_edges
    title = f"circuit {header.circuit_id[:12]} of {header.model.name}"
    said = how_to_read(min(kept, len(drawn.edges)), whole)
    labels = node_labels(header)
    held, titles = view.always, view.titles
    return draw(view.drawn, strokes, entries, title, said, labels, chosen, held, titles)


def draw(
    drawn: DrawnCircuit,
    strokes: Sequence[Stroke],
    entries: Sequence[tuple[str, str]],
    title: str,
    said: str,
    labels: Mapping[str, str],
    chosen: str | None = None,
    held: Collection[int] = (),
    titles: Mapping[str, str] | None = None,
) -> str:
    """As many of the strongest edges as there are strokes, as an SVG document.

    Args:
        drawn: Nodes and edges with their places.
        strokes: How each edge is drawn.
        entries: What the colours say.
        title: What it shows, for those who cannot see it.
        said: Which edges these are, and how to read them (`how_to_read`).
        labels: What nodes are called, by name.
        chosen: A node whose edges stand out.
        held: Nodes that are there without an edge, too, by number.
        titles: What stands in a node's box where that is not its name.
    """
    numbers = range(len(strokes))
    ends = {int(end[i]) for i in numbers for end in (drawn.senders, drawn.receivers)}
    used = sorted(ends.union(held))
    boxes = {i: _title(drawn.nodes[i].name, titles or {}) for i in used}
    if not used:
        return svg.sheet(WIDTH, 60, [svg.text(MARGIN, 34, "no edges")], title)
    low, high = float(drawn.x[used].min()), float(drawn.x[used].max())
    widest = max(map(_width, boxes.values()))
    step = _step(high - low, widest + 6)
    width = max(WIDTH, (high - low) * step + 4 * MARGIN)
    left = (width - (high - low) * step) / 2
    rows = {row: place for place, row in enumerate(sorted({int(drawn.y[i]) for i in used}))}
    top = MARGIN + 46
    at = {
        i: (left + (float(drawn.x[i]) - low) * step, top + ROW * rows[int(drawn.y[i])])
        for i in used
    }
    largest = max((abs(drawn.edges.scores[i] or 0.0) for i in numbers), default=0.0) or 1.0
    own = drawn.number.get(chosen or "")
    shapes = svg.legend(MARGIN, 20, entries)
    shapes.append(svg.text(MARGIN, 38, said, fill="#595959"))
    for i in reversed(numbers):  # the strongest on top
        ends = int(drawn.senders[i]), int(drawn.receivers[i])
        faint = own is not None and own not in ends
        shapes.append(_edge(drawn, i, strokes[i], at[ends[0]], at[ends[1]], largest, faint=faint))
    for i in used:
        name = drawn.nodes[i].name
        fill = CHOSEN if i == own else HELD if i in held else PLAIN
        hint = (titles or {}).get(name) or labels.get(name, "")
        under = labels.get(name, "")
        shapes += _node(boxes[i], hint, at[i], wide=step >= widest, fill=fill, under=under)
    return svg.sheet(width, top - MARGIN / 2 + ROW * len(rows), shapes, title)


def _own(drawn: DrawnCircuit, number: int, summed: int) -> Stroke:
    """The stroke of an edge in the colour of its score's sign; it may be a sum of several."""
    score = drawn.edges.scores[number]
    colour = NEGATIVE if (score or 0.0) < 0 else POSITIVE
    said = f"{drawn.edges.name(number)}  {cell(score)}"
    return Stroke(colour, f"{said}, the sum of {summed} edges" if summed > 1 else said)


def _edge(
    drawn: DrawnCircuit,
    number: int,
    stroke: Stroke,
    start: tuple[float, float],
    end: tuple[float, float],
    largest: float,
    *,
    faint: bool,
) -> str:
    edges, colour = drawn.edges, stroke.colour
    channel = Channel(edges.channels[number])
    (x1, y1), (x2, y2) = (start[0], start[1] + HALF), (end[0], end[1] - HALF)
    bend = max(12.0, (y2 - y1) / 2)
    # Straight down it would run behind the nodes between: it bows out, each input to its own side.
    rows = round((end[1] - start[1]) / ROW)
    bow = SIDES[channel] * min(60, 12 + 7 * rows) if rows > 1 and abs(x2 - x1) < 36 else 0.0
    dash = f" stroke-dasharray='{DASHES[channel]}'" if channel in DASHES else ""
    fill = colour if edges.kinds[number] in MEASURED else "#ffffff"
    width = 0.6 + 3.4 * abs(edges.scores[number] or 0.0) / largest
    return (
        f"<g opacity='{0.12 if faint else 0.8}'>"
        f"<path d='M{x1:.1f},{y1:.1f} C{x1 + bow:.1f},{y1 + bend:.1f} "
        f"{x2 + bow:.1f},{y2 - bend:.1f} "
        f"{x2:.1f},{y2:.1f}' fill='none' stroke='{colour}' stroke-width='{width:.1f}'{dash}>"
        f"<title>{escape(printable(stroke.hint))}</title></path>"
        f"<circle cx='{x2:.1f}' cy='{y2 - 2:.1f}' r='2.6' fill='{fill}' stroke='{colour}'/></g>"
    )


def _title(name: str, titles: Mapping[str, str]) -> str:
    """What stands in a node's box; what somebody calls it may be long."""
    said = titles.get(name)
    return name if said is None else shortened(printable(said), 14)


def _node(
    title: str, hint: str, at: tuple[float, float], *, wide: bool, fill: str, under: str
) -> list[str]:
    """A box; a hint is said where the pointer rests on it, `under` it stands its label."""
    x, y = at
    named = wide or fill != PLAIN
    width = _width(title) if named else 10.0
    said = f"{title}  {printable(hint)}" if hint else title
    shapes = [svg.box(x - width / 2, y - HALF, width, 2 * HALF, fill=fill, hint=said)]
    if named:
        shapes.append(svg.text(x, y + 4, title, size=11, anchor="middle"))
        if under:
            words = shortened(under, 16)
            shapes.append(svg.text(x, y + HALF + 10, words, size=8, anchor="middle", over=True))
    return shapes


def _width(name: str) -> float:
    """Of a box with a name in it."""
    return max(26.0, 7.0 * len(name) + 8)


def _step(across: float, wanted: float) -> float:
    """Between neighbours of a row: room for names, on a sheet twice as wide at the most."""
    fits = (WIDTH - 4 * MARGIN) / max(1.0, across)
    if fits < wanted and across * wanted <= 2 * WIDTH:
        return wanted
    return min(max(90.0, wanted), max(18.0, fits))


def how_to_read(kept: int, n_edges: int) -> str:
    drawn = f"all {n_edges:,} edges"
    if kept < n_edges:
        drawn = f"the strongest {kept:,} of {n_edges:,} edges, {n_edges - kept:,} left out"
    return f"{drawn}; broken: query, key, value; mark filled: measured, hollow: an estimate"
