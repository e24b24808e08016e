"""From scores to a circuit: the best edges, or those over a threshold, without dead ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.graph import BoolMatrix, Graph
from graph_schema.documents import AnySelection, Threshold
from graph_schema.documents.method import Ranking

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Selected:
    """Kept edges, dead ends removed; `notes` say what a reader would otherwise trip over."""

    kept: BoolMatrix
    notes: tuple[str, ...] = ()


def strength(scores: Scores, by: Ranking) -> Scores:
    """What edges are ranked by: |score| or the score itself."""
    return np.abs(scores) if by == "abs" else scores


def top(graph: Graph, scores: Scores, n_edges: int, by: Ranking) -> BoolMatrix:
    """The `n_edges` best edges, dead ends removed; among equals the first in the edge list.

    `scores` has one value an edge, in the order of the edge list.
    """
    chosen = np.zeros(graph.n_edges, dtype=np.bool_)
    chosen[np.argsort(-strength(scores, by), kind="stable")[:n_edges]] = True
    return graph.trim(graph.to_matrix(chosen))


def select(graph: Graph, scores: Scores, selection: AnySelection) -> Selected:
    """The circuit that `selection` asks for; keeping nothing or everything is a note."""
    if isinstance(selection, Threshold):
        chosen = strength(scores, selection.by) >= selection.threshold
        asked = f"threshold {selection.threshold:g}"
        kept = graph.trim(graph.to_matrix(chosen))
    else:
        chosen = np.arange(graph.n_edges) < selection.n_edges
        asked = f"{selection.n_edges} edges"
        kept = top(graph, scores, selection.n_edges, selection.by)
    n_chosen, n_kept = int(chosen.sum()), int(kept.sum())
    notes: list[str] = []
    if n_chosen == 0:
        best = float(strength(scores, selection.by).max())
        notes.append(f"{asked} keeps nothing: the largest score is {best:.3g}")
    elif n_kept == 0:
        notes.append(f"{asked} keeps nothing: none of {n_chosen} edges lies on a kept path")
    elif n_chosen == graph.n_edges:
        notes.append(f"{asked} keeps everything: the model has {graph.n_edges} edges")
    elif n_kept < n_chosen:
        notes.append(f"{n_chosen - n_kept} of {n_chosen} edges were dead ends and are left out")
    return Selected(kept, tuple(notes))
