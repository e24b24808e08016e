"""A circuit as SVG, for pages whose scripts do not run, and to keep.

Colour says the sign of a score, width its size, a broken line the input that is read (q, k, v); the
mark at an edge's end is filled where the score was measured and hollow where it is an estimate.
"""

from __future__ import annotations

from html import escape

from graph_schema.documents import Channel, CircuitDocument
from graph_schema.printable import printable
from graph_schema.reports import svg
from graph_schema.reports.drawn_circuit import MEASURED, DrawnCircuit
from graph_schema.reports.nodes import node_labels, shortened
from graph_schema.reports.tables import cell

POSITIVE, NEGATIVE = svg.BLUE, svg.ORANGE
DASHES = {Channel.Q: "6 3", Channel.K: "2 3", Channel.V: "9 3 2 3"}
SIDES = {Channel.Q: -1.0, Channel.K: 0.7, Channel.V: 1.3, Channel.R: -1.6}
ROW, MARGIN, WIDTH = 60, 28, 960
HALF = 9
"""Of a node's height."""


def circuit_picture(
    drawn: DrawnCircuit, header: CircuitDocument, kept: int, chosen: str | None = None
) -> str:
    """The `kept` strongest edges with the nodes that they join, from the input down to the logits.

    Edges of the chosen node stand out.
    """
    numbers = range(min(kept, len(drawn.edges)))
    used = sorted({int(end[i]) for i in numbers for end in (drawn.senders, drawn.receivers)})
    if not used:
        return svg.sheet(WIDTH, 60, [svg.text(MARGIN, 34, "no edges")], "a circuit without edges")
    low, high = float(drawn.x[used].min()), float(drawn.x[used].max())
    step = min(90.0, max(18.0, (WIDTH - 4 * MARGIN) / max(1.0, high - low)))
    width = max(WIDTH, (high - low) * step + 4 * MARGIN)
    left = (width - (high - low) * step) / 2
    rows = {row: place for place, row in enumerate(sorted({int(drawn.y[i]) for i in used}))}
    at = {
        i: (left + (float(drawn.x[i]) - low) * step, MARGIN + 30 + ROW * rows[int(drawn.y[i])])
        for i in used
    }
    largest = max((abs(drawn.edges.scores[i] or 0.0) for i in numbers), default=0.0) or 1.0
    own = drawn.number.get(chosen or "")
    shapes = _legend(drawn, kept)
    for i in reversed(numbers):  # the strongest on top
        ends = int(drawn.senders[i]), int(drawn.receivers[i])
        faint = own is not None and own not in ends
        shapes.append(_edge(drawn, i, at[ends[0]], at[ends[1]], largest, faint=faint))
    labels = node_labels(header)
    for i in used:
        name = drawn.nodes[i].name
        shapes += _node(name, labels.get(name, ""), at[i], wide=step >= 40, chosen=i == own)
    height = MARGIN + 30 + ROW * len(rows)
    return svg.sheet(width, height, shapes, f"circuit {header.circuit_id[:12]}")


def _edge(
    drawn: DrawnCircuit,
    number: int,
    start: tuple[float, float],
    end: tuple[float, float],
    largest: float,
    *,
    faint: bool,
) -> str:
    edges = drawn.edges
    score, channel = edges.scores[number], Channel(edges.channels[number])
    colour = NEGATIVE if (score or 0.0) < 0 else POSITIVE
    (x1, y1), (x2, y2) = (start[0], start[1] + HALF), (end[0], end[1] - HALF)
    bend = max(12.0, (y2 - y1) / 2)
    # Straight down it would run behind the nodes between: it bows out, each input to its own side.
    rows = round((end[1] - start[1]) / ROW)
    bow = SIDES[channel] * min(60, 12 + 7 * rows) if rows > 1 and abs(x2 - x1) < 36 else 0.0
    dash = f" stroke-dasharray='{DASHES[channel]}'" if channel in DASHES else ""
    fill = colour if edges.kinds[number] in MEASURED else "#ffffff"
    width = 0.6 + 3.4 * abs(score or 0.0) / largest
    suffix = "" if channel is Channel.R else f"<{channel.value}>"
    said = f"{edges.senders[number]}->{edges.receivers[number]}{suffix}  {cell(score)}"
    return (
        f"<g opacity='{0.12 if faint else 0.8}'>"
        f"<path d='M{x1:.1f},{y1:.1f} C{x1 + bow:.1f},{y1 + bend:.1f} "
        f"{x2 + bow:.1f},{y2 - bend:.1f} "
        f"{x2:.1f},{y2:.1f}' fill='none' stroke='{colour}' stroke-width='{width:.1f}'{dash}>"
        f"<title>{escape(said)}</title></path>"
        f"<circle cx='{x2:.1f}' cy='{y2 - 2:.1f}' r='2.6' fill='{fill}' stroke='{colour}'/></g>"
    )


def _node(name: str, label: str, at: tuple[float, float], *, wide: bool, chosen: bool) -> list[str]:
    x, y = at
    hint = f"{name}  {printable(label)}" if label else name
    width = max(26.0, 7.0 * len(name) + 8) if wide else 10.0
    fill = "#ffe9a8" if chosen else "#ffffff"
    shapes = [svg.box(x - width / 2, y - HALF, width, 2 * HALF, fill=fill, hint=hint)]
    if wide or chosen:
        shapes.append(svg.text(x, y + 4, name, size=11, anchor="middle"))
        if label:
            words = shortened(label, 16)
            shapes.append(svg.text(x, y + HALF + 10, words, size=8, anchor="middle"))
    return shapes


def _legend(drawn: DrawnCircuit, kept: int) -> list[str]:
    said = f"{min(kept, len(drawn.edges)):,} of {len(drawn.edges):,} edges, the strongest"
    return [
        *svg.legend(MARGIN, 20, [(POSITIVE, "score above 0"), (NEGATIVE, "below 0")]),
        svg.text(MARGIN + 240, 20, f"filled: measured, hollow: estimate; {said}"),
    ]
