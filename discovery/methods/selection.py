"""From scores to a circuit: the best edges, or those over a threshold, without dead ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
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


def best(graph: Graph, strengths: Scores, n_edges: int) -> NDArray[np.bool_]:
    """Which edges are the `n_edges` strongest; among equals the first in the edge list.

    Edges that are patched together are taken together: the ranking ends before the first ones that
    would be too many.
    """
    senders, receivers = graph.edges
    leads = np.flatnonzero(graph.lead[receivers] == receivers)
    order = leads[np.argsort(-strengths[leads], kind="stable")]
    sizes = np.bincount(graph.lead)[receivers[order]]
    order = order[: np.searchsorted(np.cumsum(sizes), n_edges, side="right")]
    chosen = np.zeros((graph.n_senders, graph.n_receivers), dtype=np.intp)
    chosen[senders[order], receivers[order]] = 1
    return graph.to_list(graph.joint(chosen) > 0)


def top(graph: Graph, scores: Scores, n_edges: int, by: Ranking) -> BoolMatrix:
    """The `n_edges` best edges, dead ends removed.

    `scores` has one value an edge, in the order of the edge list.
    """
    return graph.trim(graph.to_matrix(best(graph, strength(scores, by), n_edges)))


def select(graph: Graph, scores: Scores, selection: AnySelection) -> Selected:
    """The circuit that `selection` asks for; keeping nothing or everything is a note."""
    notes: list[str] = []
    if isinstance(selection, Threshold):
        chosen = strength(scores, selection.by) >= selection.threshold
        asked = f"threshold {selection.threshold:g}"
    else:
        chosen = best(graph, strength(scores, selection.by), selection.n_edges)
        asked = f"{selection.n_edges} edges"
        if int(chosen.sum()) < min(selection.n_edges, graph.n_edges):
            notes.append(f"{asked} chooses {int(chosen.sum())}: a group's edges go together")
    kept = graph.trim(graph.to_matrix(chosen))
    n_chosen, n_kept = int(chosen.sum()), int(kept.sum())
    if n_chosen == 0:
        largest = float(strength(scores, selection.by).max())
        notes.append(f"{asked} keeps nothing: the largest score is {largest:.3g}")
    elif n_kept == 0:
        notes.append(f"{asked} keeps nothing: none of {n_chosen} edges lies on a kept path")
    elif n_chosen == graph.n_edges:
        notes.append(f"{asked} keeps everything: the model has {graph.n_edges} edges")
    elif n_kept < n_chosen:
        notes.append(f"{n_chosen - n_kept} of {n_chosen} edges were dead ends and are left out")
    return Selected(kept, tuple(notes))
