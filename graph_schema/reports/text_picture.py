"""A circuit as a picture of text: components down the page, an edge a vertical line.

    input    ●  ●
    a0.h1    │  v  ●
    a1.h3    q     k  ●
    logits            ▼

Time runs downwards, as in the forward pass. The strongest edges stand on the left; edges that do
not overlap share a lane. How many are drawn depends on the width, and the caption says it. What
nodes are called stands beside their names, shortened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graph_schema.documents import Channel, CircuitDocument, CircuitEdge, Component
from graph_schema.printable import LONGEST_LABEL, shortened
from graph_schema.reports.nodes import node_labels
from graph_schema.reports.text import MIN_WIDTH, strongest

_GAP = 3
_LEAST_LABEL = 6
"""Characters under which a label says too little to be shown."""


@dataclass(frozen=True)
class Marks:
    """The characters of the picture; `below` ones draw edges whose score is below zero."""

    sender: str
    line: str
    sender_below: str
    line_below: str
    residual: str


UNICODE = Marks("●", "│", "○", "┊", "▼")
ASCII = Marks("*", "|", "o", ":", "V")


def picture(
    circuit: CircuitDocument, width: int = 100, max_edges: int = 40, marks: Marks = UNICODE
) -> str:
    """The circuit's strongest edges, drawn within `width` columns.

    A receiver is marked by the input it reads on: q, k, v, or an arrow for the residual stream.
    """
    ranked = strongest(circuit.edges)[:max_edges]
    if not ranked:
        return "(no edges)"
    names = sorted(
        {end for edge in ranked for end in (edge.sender, edge.receiver)},
        key=lambda name: Component.parse(name).place(circuit.model.n_layers),
    )
    heads = _heads(names, node_labels(circuit), max(width, MIN_WIDTH))
    label = max(map(len, heads.values())) + 2
    room = max(1, (max(width, MIN_WIDTH) - label) // _GAP)
    rows = {name: row for row, name in enumerate(names)}
    drawn, lanes = _lanes(ranked, rows, room)
    used = {end for edge in drawn for end in (edge.sender, edge.receiver)}
    grid = [[" "] * len(lanes) for _ in names]
    for lane, edges in enumerate(lanes):
        for edge in edges:
            _draw(grid, lane, edge, rows, marks)
    lines = [
        (heads[name].ljust(label) + (" " * (_GAP - 1)).join(grid[row])).rstrip()
        for name, row in rows.items()
        if name in used
    ]
    return "\n".join([*lines, "", _caption(len(drawn), circuit.n_edges, marks)])


def _heads(names: Sequence[str], labels: Mapping[str, str], width: int) -> dict[str, str]:
    """What stands before each row: the name, and what the node is called, if anything.

    Names and labels take two thirds of the width at most; what names leave is the labels'.
    """
    longest = max(map(len, names))
    room = min(LONGEST_LABEL, 2 * width // 3 - longest - 2)
    if room < _LEAST_LABEL or not labels.keys() & set(names):
        return {name: name for name in names}
    return {
        name: f"{name.ljust(longest)}  {shortened(labels.get(name, ''), room)}".rstrip()
        for name in names
    }


def _lanes(
    ranked: Sequence[CircuitEdge], rows: Mapping[str, int], room: int
) -> tuple[list[CircuitEdge], list[list[CircuitEdge]]]:
    """Each edge in the first lane where it overlaps no other, until no lane is left."""
    lanes: list[list[CircuitEdge]] = []
    drawn: list[CircuitEdge] = []
    for edge in ranked:
        start, end = rows[edge.sender], rows[edge.receiver]
        free = next(
            (
                lane
                for lane in lanes
                if all(rows[e.receiver] < start or rows[e.sender] > end for e in lane)
            ),
            None,
        )
        if free is None:
            if len(lanes) == room:
                break
            free = []
            lanes.append(free)
        free.append(edge)
        drawn.append(edge)
    return drawn, lanes


def _draw(
    grid: list[list[str]], lane: int, edge: CircuitEdge, rows: Mapping[str, int], marks: Marks
) -> None:
    start, end = rows[edge.sender], rows[edge.receiver]
    below = (edge.score or 0) < 0
    for row in range(start + 1, end):
        grid[row][lane] = marks.line_below if below else marks.line
    grid[start][lane] = marks.sender_below if below else marks.sender
    grid[end][lane] = marks.residual if edge.channel is Channel.R else edge.channel.value


def _caption(n_drawn: int, n_edges: int, marks: Marks) -> str:
    shown = "all" if n_drawn == n_edges else f"the strongest {n_drawn} of"
    return (
        f"{shown} {n_edges:,} edges; {marks.sender} sends, q k v {marks.residual} reads; "
        f"{marks.sender_below} {marks.line_below} where the score is below 0"
    )
