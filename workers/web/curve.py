"""A circuit's stored curve as it is drawn beside the slider: faithfulness of the best n edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graph_schema.documents import CircuitDocument
from graph_schema.reports.tables import number

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 120, 34, 8, 8, 20


@dataclass(frozen=True)
class DrawnCurve:
    """Points of a ranking's curve with their places; x is the logarithm of the number of edges.

    Attributes:
        points: Number of edges and faithfulness, ascending.
        n_edges: How many the circuit has.
        split: What it was measured on.
    """

    points: tuple[tuple[int, float], ...]
    n_edges: int
    split: str

    @classmethod
    def of(cls, header: CircuitDocument, n_edges: int) -> DrawnCurve | None:
        """The curve of a circuit of so many edges; None where none was measured."""
        quality = header.evaluation
        if quality is None or not n_edges:
            return None
        found = sorted({each.n_edges: each.faithfulness_abs for each in quality.curve}.items())
        points = tuple(point for point in found if point[0] > 0 and math.isfinite(point[1]))
        return cls(points, n_edges, quality.cmd.split.value) if len(points) > 1 else None

    @property
    def most(self) -> int:
        return max(self.points[-1][0], self.n_edges, 2)

    @property
    def low(self) -> float:
        return min(0.0, *(f for _, f in self.points))

    @property
    def high(self) -> float:
        return max(1.0, *(f for _, f in self.points))

    def x(self, n: int) -> float:
        """Where so many edges stand."""
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(max(n, 1)) / math.log(self.most)

    def y(self, faithfulness: float) -> float:
        """Where so much faithfulness stands."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - faithfulness) / (self.high - self.low)

    @property
    def path(self) -> str:
        """The points of a polyline."""
        return " ".join(f"{self.x(n):.1f},{self.y(f):.1f}" for n, f in self.points)

    @property
    def marks(self) -> list[tuple[float, float, str]]:
        """Every point, with what it says."""
        return [(self.x(n), self.y(f), f"{n:,} edges: {number(f)}") for n, f in self.points]

    def reading(self, kept: int) -> str:
        """What was measured next to so many edges, on both sides."""
        before = [point for point in self.points if point[0] <= kept][-1:]
        after = [point for point in self.points if point[0] > kept][:1]
        return " and ".join(f"{number(f)} at {n:,}" for n, f in (*before, *after))
