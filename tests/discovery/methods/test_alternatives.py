"""Further circuits: other edges where they do as well, and none where they would not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from discovery.engine.graph import BoolMatrix, Graph
from discovery.methods.alternatives import TOLERANCE, with_alternatives
from discovery.methods.finding import Found
from discovery.methods.selection import select
from graph_schema.documents import ScoreKind, TopEdges

GRAPH = Graph(2, 3)
SELECTION = TopEdges(n_edges=30)


def first(seed: int = 0) -> Found:
    scores = np.random.default_rng(seed).normal(size=GRAPH.n_edges).astype(np.float32)
    kept = select(GRAPH, scores, SELECTION).kept
    return Found(kept, SELECTION, scores, ScoreKind.ESTIMATE, True, GRAPH.n_edges)


def iou(one: BoolMatrix, two: BoolMatrix) -> float:
    return float((one & two).sum() / (one | two).sum())


def test_where_all_do_as_well_further_circuits_share_few_edges() -> None:
    found = with_alternatives(GRAPH, first(), 3, lambda kept: [1.0] * len(kept))
    assert len(found) == 3
    assert (found[0].kept == first().kept).all()
    overlaps = [iou(a.kept, b.kept) for i, a in enumerate(found) for b in found[:i]]
    assert max(overlaps) < 0.5
    assert [each.ranks for each in found] == [True, False, False]
    assert found[1].notes[0].startswith("circuit 2 of 3")


def test_a_weaker_penalty_is_taken_where_the_strongest_costs_too_much() -> None:
    reference = first(3)

    def by_overlap(circuits: Sequence[BoolMatrix]) -> list[float]:
        return [1.0 if iou(kept, reference.kept) > 0.4 else 0.0 for kept in circuits]

    found = with_alternatives(GRAPH, reference, 2, by_overlap)
    assert len(found) == 2
    assert iou(found[1].kept, reference.kept) > 0.4


def test_where_no_other_circuit_does_as_well_there_is_none_and_a_note_says_so() -> None:
    reference = first()

    def only_the_first(circuits: Sequence[BoolMatrix]) -> list[float]:
        same = [bool((kept == reference.kept).all()) for kept in circuits]
        return [1.0 if each else 0.99 - TOLERANCE - 0.01 for each in same]

    found = with_alternatives(GRAPH, reference, 3, only_the_first)
    assert len(found) == 1
    assert found[0].notes[-1].startswith("1 of 3 circuits")
