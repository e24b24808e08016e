"""Pictures as SVG: a few shapes, with every text escaped.

A picture stands on a white sheet of its own, so that it reads the same on a dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from graph_schema.printable import printable

FONT = "font-family='sans-serif'"
INK = "#222222"
FAINT = "#999999"
# Okabe and Ito's colours, which colour-blind readers tell apart.
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"


def sheet(width: float, height: float, shapes: Sequence[str], title: str) -> str:
    """An SVG document of these shapes; `title` is what it shows, for those who cannot see it."""
    size = f"width='{width:g}' height='{height:g}' viewBox='0 0 {width:g} {height:g}'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' {size}>"
        f"<title>{_escaped(title)}</title>"
        f"<rect width='{width:g}' height='{height:g}' fill='#ffffff'/>"
        f"{''.join(shapes)}</svg>"
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    anchor: str = "start",
    fill: str = INK,
    over: bool = False,
) -> str:
    """Words; `over` lines they have a rim of the sheet's colour, so that they can be read."""
    rim = " stroke='#ffffff' stroke-width='3' paint-order='stroke'" if over else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' fill='{fill}' "
        f"text-anchor='{anchor}'{rim}>{_escaped(words)}</text>"
    )


def line(
    points: Sequence[tuple[float, float]], stroke: str, *, width: float = 1.0, dashed: bool = False
) -> str:
    """A line through these points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = " stroke-dasharray='5 3'" if dashed else ""
    style = f"fill='none' stroke='{stroke}' stroke-width='{width:.1f}'{dash}"
    return f"<polyline points='{path}' {style}/>"


def curve(
    start: tuple[float, float],
    end: tuple[float, float],
    stroke: str,
    *,
    width: float,
    dashed: bool,
    hint: str,
) -> str:
    """A line from `start` down to `end`; `hint` shows when the pointer is on it."""
    (x1, y1), (x2, y2) = start, end
    bend = max(12.0, (y2 - y1) / 2)
    dash = " stroke-dasharray='5 3'" if dashed else ""
    return (
        f"<path d='M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} "
        f"{x2:.1f},{y2:.1f}' fill='none' stroke='{stroke}' stroke-width='{width:.1f}' "
        f"stroke-opacity='.7'{dash}><title>{_escaped(hint)}</title></path>"
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str = "#ffffff",
    stroke: str = INK,
    hint: str = "",
) -> str:
    """A rectangle with round corners; `hint` shows when the pointer is on it."""
    shape = (
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' rx='4' "
        f"fill='{fill}' stroke='{stroke}'"
    )
    return f"{shape}><title>{_escaped(hint)}</title></rect>" if hint else f"{shape}/>"


def mark(x: float, y: float, radius: float, fill: str, *, hint: str) -> str:
    """A dot through which others can be seen; `hint` shows when the pointer is on it."""
    return (
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius:.1f}' fill='{fill}' fill-opacity='.6' "
        f"stroke='{fill}'><title>{_escaped(hint)}</title></circle>"
    )


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> list[str]:
    """Coloured strokes with their meaning, one beside the other."""
    shapes: list[str] = []
    for colour, words in entries:
        shapes.append(line([(x, y - 4), (x + 18, y - 4)], colour, width=3))
        shapes.append(text(x + 23, y, words))
        x += 38 + 6.5 * len(words)
    return shapes


def _escaped(words: str) -> str:
    return escape(printable(words))
