"""Several circuits of one model in one drawing: where nodes and edges stand, and whose they are.

Depth goes down as in a circuit's own drawing. Colour says in how many of the circuits an edge is
(of two: both, only A, only B), a broken line the input that is read (q, k, v), width the strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph_schema.comparing.union import United, UnitedEdge
from graph_schema.reports.drawn_circuit import DrawnCircuit

ROW, MARGIN, WIDTH, HALF = 58, 20, 900, 10
LEAST_STEP, MOST_STEP = 26.0, 92.0
SIDES = {"q": -1.0, "k": 0.7, "v": 1.3, "r": -1.6}
SHADES = 5


@dataclass(frozen=True)
class Line:
    """An edge as a path; `faint` where others were chosen."""

    edge: UnitedEdge
    path: str
    width: float
    kind: str
    faint: bool


@dataclass(frozen=True)
class Box:
    """A node: the middle of its box, half its width, and how it is drawn."""

    name: str
    which: str
    x: float
    y: float
    half: float
    kind: str
    chosen: bool


@dataclass(frozen=True)
class UnionPicture:
    """Everything that the drawing's template needs."""

    width: float
    height: float
    lines: tuple[Line, ...]
    boxes: tuple[Box, ...]

    @classmethod
    def of(
        cls, united: United, shown: Sequence[UnitedEdge], n_layers: int, chosen: str | None
    ) -> UnionPicture:
        """The edges that are shown and the nodes that they join; those of `chosen` stand out."""
        if not shown:
            return cls(WIDTH, 40.0, (), ())
        names = {end for edge in shown for end in (edge.sender, edge.receiver)}
        few = United(
            united.letters, tuple(shown), {n: of for n, of in united.nodes.items() if n in names}
        )
        drawn = DrawnCircuit.of(few.packed, n_layers)
        low, high = float(drawn.x.min()), float(drawn.x.max())
        room = (WIDTH - 4 * MARGIN) / max(1.0, high - low)
        step = min(MOST_STEP, max(LEAST_STEP, room))
        width = max(WIDTH, (high - low) * step + 4 * MARGIN)
        left = (width - (high - low) * step) / 2
        at: dict[str, tuple[float, float]] = {
            part.name: (left + (float(x) - low) * step, MARGIN + HALF + ROW * int(y))
            for part, x, y in zip(drawn.nodes, drawn.x, drawn.y, strict=True)
        }
        lines = tuple(_line(edge, at, united.letters, chosen) for edge in shown)
        boxes = tuple(
            Box(
                name,
                united.nodes[name],
                round(x, 1),
                y,
                round(min(step / 2 - 2, 3.6 * len(name) + 6), 1),
                kind_of(united.nodes[name], united.letters),
                name == chosen,
            )
            for name, (x, y) in at.items()
        )
        height = max(y for _, y in at.values()) + HALF + MARGIN
        return cls(width, height, lines, boxes)


def kind_of(which: str, letters: Sequence[str]) -> str:
    """The class that colours it: `both`, `first`, `second` of two; a shade of more."""
    if len(letters) == 2:
        return "both" if len(which) == 2 else "first" if which == letters[0] else "second"
    return f"shade{round((SHADES - 1) * (len(which) - 1) / max(1, len(letters) - 1))}"


def _line(
    edge: UnitedEdge,
    at: dict[str, tuple[float, float]],
    letters: Sequence[str],
    chosen: str | None,
) -> Line:
    (x1, top), (x2, bottom) = at[edge.sender], at[edge.receiver]
    y1, y2 = top + HALF, bottom - HALF
    bend = max(12.0, (y2 - y1) / 2)
    # Straight down it would run behind the nodes between: it bows out, each input to its own side.
    rows = round((bottom - top) / ROW)
    bow = 0.0
    if rows > 1 and abs(x2 - x1) < 36:
        bow = SIDES[edge.channel] * min(60, 12 + 7 * rows)
    path = (
        f"M{x1:.0f},{y1:.0f} C{x1 + bow:.0f},{y1 + bend:.0f} "
        f"{x2 + bow:.0f},{y2 - bend:.0f} {x2:.0f},{y2:.0f}"
    )
    return Line(
        edge,
        path,
        round(0.8 + 3.2 * edge.strength, 1),
        kind_of(edge.which, letters),
        chosen is not None and chosen not in (edge.sender, edge.receiver),
    )
