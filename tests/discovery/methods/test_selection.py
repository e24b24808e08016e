"""Selections keep the best edges, cut dead ends, and say when they keep nothing or everything."""

from __future__ import annotations

import numpy as np
import pytest

from discovery.engine.graph import Graph
from discovery.methods.selection import select, top
from graph_schema.documents import Threshold, TopEdges

GRAPH = Graph(1, 1)
# input->q, input->k, input->v, input->m0, a0.h0->m0, input->logits, a0.h0->logits, m0->logits
SCORES = np.array([0.1, 0.0, 0.5, 0.2, -0.9, 0.3, -0.4, 0.6], dtype=np.float32)


def test_top_edges_rank_by_size_or_by_sign() -> None:
    by_size = select(GRAPH, SCORES, TopEdges(n_edges=3))
    assert GRAPH.names(by_size.kept) == ["input->a0.h0<v>", "a0.h0->m0", "m0->logits"]
    assert by_size.notes == ()
    by_sign = select(GRAPH, SCORES, TopEdges(n_edges=3, by="signed"))
    assert GRAPH.names(by_sign.kept) == ["input->logits"]
    assert by_sign.notes == ("2 of 3 edges were dead ends and are left out",)


def test_threshold_is_in_the_units_of_the_score() -> None:
    kept = select(GRAPH, SCORES, Threshold(threshold=0.3)).kept
    assert GRAPH.names(kept) == [
        "input->a0.h0<v>",
        "a0.h0->m0",
        "input->logits",
        "a0.h0->logits",
        "m0->logits",
    ]


@pytest.mark.parametrize(
    ("selection", "n_kept", "said"),
    [
        (Threshold(threshold=5), 0, "threshold 5 keeps nothing: the largest score is 0.9"),
        (Threshold(threshold=0.7), 0, "threshold 0.7 keeps nothing: none of 1 edges lies on"),
        (TopEdges(n_edges=100), 8, "100 edges keeps everything: the model has 8 edges"),
    ],
)
def test_nothing_and_everything_are_notes(
    selection: Threshold | TopEdges, n_kept: int, said: str
) -> None:
    found = select(GRAPH, SCORES, selection)
    assert found.kept.sum() == n_kept
    assert found.notes[0].startswith(said)


def test_equal_scores_are_taken_in_the_order_of_the_edge_list() -> None:
    flat = np.zeros(GRAPH.n_edges, dtype=np.float32)
    assert np.array_equal(top(GRAPH, flat, 8, "abs"), GRAPH.upstream)
    assert GRAPH.names(top(GRAPH, flat, 6, "signed")) == ["input->logits"]
