"""A training as one picture: the loss above, shares below, rungs as squares, on one axis of steps.

Steps are spaced by their logarithm where they are chosen so (Pythia's 1, 2, 4, 8, …), else evenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graph_schema.documents.rungs import Rung, RungState
from graph_schema.documents.training import TrainingReport
from graph_schema.reports import svg

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 820, 96, 24, 170, 34, 40
_STATES = {
    RungState.PRESENT: svg.BLUE,
    RungState.ABSENT: svg.ORANGE,
    RungState.INCONCLUSIVE: svg.PINK,
    RungState.UNTESTABLE: "#dddddd",
}
_LINES = (svg.BLUE, svg.ORANGE, svg.GREEN, svg.PINK)


def training_svg(found: TrainingReport) -> str:
    """Loss curve, shares with their intervals, and the state of each rung."""
    steps = [each.step for each in found.checkpoints]
    x = step_axis(steps)
    loss = [(x(at), value) for at, value in found.losses if at <= steps[-1]]
    shapes: list[str] = []
    y = float(TOP)
    if loss:
        shapes += _panel(y, "loss", 0.0, max(value for _, value in loss), [(loss, svg.INK)])
        y += PANEL + GAP
    tops: list[float] = []
    curves: list[tuple[list[tuple[float, float]], str]] = []
    bars: list[tuple[float, float, float, str]] = []
    names = [rule.name for rule in found.protocol.edges]
    for number, name in enumerate(names):
        colour = _LINES[number % len(_LINES)]
        points: list[tuple[float, float]] = []
        for each in found.checkpoints:
            edge = next((e.edge for e in each.super_edges if e.name == name), None)
            if edge is not None and not edge.is_bound:
                points.append((x(each.step), edge.share))
                bars.append((x(each.step), edge.ci_low, edge.ci_high, colour))
                tops.append(edge.share)
        curves.append((points, colour))
    accuracy = [(x(c.step), c.behaviour.worst) for c in found.checkpoints if c.behaviour]
    curves.append((accuracy, svg.FAINT))
    high = max([1.0, *tops])
    shapes += _panel(y, "share", 0.0, high, curves, bars)
    bottom = y + PANEL
    for each in found.since:
        if each.step is not None:
            shapes.append(
                svg.line([(x(each.step), TOP), (x(each.step), bottom)], svg.FAINT, dashed=True)
            )
    for row, rung in enumerate(Rung):
        at = bottom + 22 + row * 20
        shapes.append(svg.text(LEFT - 10, at + 11, rung.value, anchor="end"))
        for each in found.checkpoints:
            colour = _STATES[each.at(rung).state]
            shapes.append(svg.box(x(each.step) - 6, at, 12, 14, fill=colour, stroke=colour))
    low = bottom + 22 + len(Rung) * 20
    shapes += [
        svg.text(x(step), low + 14, f"{step:,}", size=10, anchor="middle")
        for step in _labelled(steps, x)
    ]
    entries = [(_LINES[i % len(_LINES)], name) for i, name in enumerate(names)]
    shapes += svg.legend(LEFT, 20, [*entries, (svg.FAINT, "accuracy")])
    shapes += svg.legend(LEFT, low + 38, [(c, s.value) for s, c in _STATES.items()])
    title = f"{found.motif} along the training of {found.model}"
    return svg.sheet(WIDTH, low + 52, shapes, title)


def step_axis(steps: Sequence[int]) -> Callable[[int], float]:
    """From a step to its place; by log(1 + step) where most steps lie in the first quarter."""
    middle, last = sorted(steps)[len(steps) // 2], max(steps)
    scale = math.log1p if middle < last / 4 else float
    low, high = scale(min(steps)), scale(last)
    span = (high - low) or 1.0
    return lambda step: LEFT + (WIDTH - LEFT - RIGHT) * (scale(step) - low) / span


def _panel(
    top: float,
    label: str,
    low: float,
    high: float,
    curves: Sequence[tuple[Sequence[tuple[float, float]], str]],
    bars: Sequence[tuple[float, float, float, str]] = (),
) -> list[str]:
    """Curves between `low` and `high`; `bars` are intervals: place, ends, colour."""
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return top + PANEL * (1 - (min(high, max(low, value)) - low) / span)

    shapes = [
        svg.line([(LEFT, top), (LEFT, top + PANEL), (WIDTH - RIGHT, top + PANEL)], svg.FAINT),
        svg.text(LEFT - 10, top + 10, f"{high:.2g}", anchor="end", size=10),
        svg.text(LEFT - 10, top + PANEL, f"{low:.2g}", anchor="end", size=10),
        svg.text(LEFT - 10, top + PANEL / 2, label, anchor="end"),
    ]
    shapes += [svg.line([(x, y(a)), (x, y(b))], colour, width=3) for x, a, b, colour in bars]
    for points, colour in curves:
        if points:
            shapes.append(svg.line([(x, y(value)) for x, value in points], colour, width=1.6))
    return shapes


def _labelled(steps: Sequence[int], x: Callable[[int], float]) -> list[int]:
    """Steps whose labels do not run into each other; the last is always among them."""
    found: list[int] = []
    for step in reversed(steps):
        if not found or x(found[-1]) - x(step) > 46:
            found.append(step)
    return found
