"""The graph in an answer as a drawing: what a query returned as nodes and relationships.

Nodes stand in rows, each below what points at it; those that point at each other share one. All
words in it are of the graph, and so foreign text: the template escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from graph_schema.errors import SpecError
from graph_schema.printable import printable, shortened
from graph_schema.reports.graph_values import TELLING
from graph_schema.reports.layout import layered
from graph_schema.reports.tables import cell
from workers.results.answer_graph import answer_graph
from workers.results.rows import Rows

MOST_NODES, MOST_EDGES = 120, 400
STEP, ROW, MARGIN, WIDTH, HALF = 110, 70, 30, 104, 11
LETTERS = 15


@dataclass(frozen=True)
class AnswerNode:
    """A node of the drawing; `address` is its own page, where it has one."""

    x: float
    y: float
    title: str
    hint: str
    address: str | None


@dataclass(frozen=True)
class AnswerEdge:
    """An edge of the drawing, as a path."""

    path: str
    hint: str
    negative: bool


@dataclass(frozen=True)
class AnswerDrawing:
    """Nodes and edges with their places; `left_out` is how many nodes are not drawn."""

    nodes: tuple[AnswerNode, ...]
    edges: tuple[AnswerEdge, ...]
    width: float
    height: float
    left_out: int


def answer_drawing(rows: Rows) -> AnswerDrawing | None:
    """The drawing of an answer; None where it holds no graph."""
    try:
        graph = answer_graph(rows.columns, rows.rows)
    except SpecError:
        return None
    if not graph:
        return None
    n_all = len(graph)
    graph = graph.subgraph(list(graph)[:MOST_NODES])
    names, heights = _rows(graph)
    number = {name: place for place, name in enumerate(names)}
    ends = list(graph.edges(data=True))[:MOST_EDGES]
    senders = np.array([number[a] for a, _, _ in ends], dtype=np.int64)
    receivers = np.array([number[b] for _, b, _ in ends], dtype=np.int64)
    x = layered(heights, senders, receivers, np.ones(len(ends)))
    left = MARGIN + WIDTH / 2 - STEP * float(x.min())
    at = [
        (left + STEP * float(place), MARGIN + ROW * int(row))
        for place, row in zip(x, heights, strict=True)
    ]
    nodes = [_node(name, graph.nodes[name], where) for name, where in zip(names, at, strict=True)]
    return AnswerDrawing(
        tuple(nodes),
        tuple(_edge(at[number[a]], at[number[b]], (a, b), carried) for a, b, carried in ends),
        max(place for place, _ in at) + WIDTH / 2 + MARGIN,
        max(row for _, row in at) + MARGIN,
        n_all - len(names),
    )


def _rows(graph: nx.MultiDiGraph[str]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """Names by row, and each one's row: the longest way to it, over what is no circle."""
    whole = nx.condensation(nx.DiGraph(graph))
    found = [
        (row, name)
        for row, generation in enumerate(nx.topological_generations(whole))
        for part in generation
        for name in whole.nodes[part]["members"]
    ]
    order = {name: place for place, name in enumerate(graph)}
    found.sort(key=lambda each: (each[0], order[each[1]]))
    return [name for _, name in found], np.array([row for row, _ in found], dtype=np.int64)


def _node(name: str, carried: Mapping[str, Any], at: tuple[float, float]) -> AnswerNode:
    labels = [printable(str(label)) for label in carried.get("labels", ())]
    told = next((str(carried[key]) for key in TELLING if carried.get(key) is not None), name)
    address = None
    for label, path, key in (("Circuit", "circuits", "circuit_id"), ("Job", "jobs", "job_id")):
        if label in labels and isinstance(carried.get(key), str):
            address = f"/{path}/{carried[key]}"
    said = [f"{key}: {cell(carried[key])}" for key in TELLING if carried.get(key) is not None]
    hint = "; ".join([" ".join(labels), *map(printable, said)] if carried else [printable(name)])
    return AnswerNode(*at, shortened(printable(told), LETTERS), hint[:400], address)


def _edge(
    start: tuple[float, float],
    end: tuple[float, float],
    names: tuple[str, str],
    carried: Mapping[str, Any],
) -> AnswerEdge:
    (x1, y1), (x2, y2) = start, end
    if y2 > y1:
        y1, y2 = y1 + HALF, y2 - HALF
        bend = (y2 - y1) / 2
        path = (
            f"M{x1:.0f},{y1:.0f} C{x1:.0f},{y1 + bend:.0f} "
            f"{x2:.0f},{y2 - bend:.0f} {x2:.0f},{y2:.0f}"
        )
    else:  # of a row, or of one node with itself: over the top
        y1, y2 = y1 - HALF, y2 - HALF
        out = 24 if start == end else 0
        path = (
            f"M{x1 - out:.0f},{y1:.0f} C{x1 - out:.0f},{y1 - 26:.0f} "
            f"{x2 + out:.0f},{y2 - 26:.0f} {x2 + out:.0f},{y2:.0f}"
        )
    kind = carried.get("type", "")
    said = [str(kind)] if kind else []
    said += [f"{key}: {cell(carried[key])}" for key in TELLING if carried.get(key) is not None]
    score = carried.get("score")
    negative = isinstance(score, int | float) and score < 0
    words = " -> ".join(name[:40] for name in names)
    return AnswerEdge(path, printable(f"{words}  {'; '.join(said)}")[:400], negative)
