"""Edge overlap against wiring agreement as a picture: a point a pair of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from graph_schema.reports import svg

Kind = Literal["within a family", "across families", "without the wiring"]
COLOURS: dict[Kind, str] = {
    "within a family": svg.BLUE,
    "across families": svg.GREEN,
    "without the wiring": svg.ORANGE,
}
LEFT, TOP, SIDE = 62, 24, 380
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
R = 4.5


@dataclass(frozen=True)
class Point:
    """A pair of models; `hint` shows when the pointer is on it."""

    overlap: float
    agreement: float
    kind: Kind
    hint: str


def picture(points: Sequence[Point]) -> str:
    """The points on a square from 0 to 1, and a legend."""
    shapes = [*_axes()]
    shapes += [_mark(point) for point in points]
    entries = [(colour, kind) for kind, colour in COLOURS.items()]
    shapes += svg.legend(LEFT - 50, TOP + SIDE + 66, entries)
    title = "edge overlap of circuits and agreement of wiring, pairs of models"
    return svg.sheet(LEFT + SIDE + 40, TOP + SIDE + 80, shapes, title) + "\n"


def _axes() -> list[str]:
    bottom = TOP + SIDE
    shapes = [svg.box(LEFT, TOP, SIDE, SIDE, stroke=svg.FAINT)]
    for tick in TICKS:
        x, y = LEFT + tick * SIDE, bottom - tick * SIDE
        shapes.append(svg.line([(x, bottom), (x, bottom + 5)], svg.FAINT))
        shapes.append(svg.text(x, bottom + 19, f"{tick:g}", size=11, anchor="middle"))
        shapes.append(svg.line([(LEFT - 5, y), (LEFT, y)], svg.FAINT))
        shapes.append(svg.text(LEFT - 9, y + 4, f"{tick:g}", size=11, anchor="end"))
    middle = LEFT + SIDE / 2
    shapes.append(svg.text(middle, bottom + 40, "edge IoU of two circuits", anchor="middle"))
    shapes.append(svg.text(8, 14, "agreement of wiring (weighted Jaccard)"))
    return shapes


def _mark(point: Point) -> str:
    x, y = LEFT + point.overlap * SIDE, TOP + SIDE * (1 - point.agreement)
    return svg.mark(x, y, R, COLOURS[point.kind], hint=point.hint)
