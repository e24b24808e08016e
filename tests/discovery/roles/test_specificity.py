"""What sets of heads are worth on a task: as the slow exact way, and beside random sets."""

from __future__ import annotations

import numpy as np
import pytest

from discovery.engine.state import State
from discovery.evaluation.measured import Measured
from discovery.roles.causal import Head
from discovery.roles.shares import share_of
from discovery.roles.specificity import (
    HeadSet,
    beside,
    random_sets,
    set_effects,
)
from graph_schema.documents import Component
from tests.discovery.roles.written import INDUCTION, PREVIOUS, measured, written


def head(name: str) -> Head:
    part = Component.parse(name)
    assert part.layer is not None
    assert part.head is not None
    return part.layer, part.head


def slowly(split: Measured, heads: HeadSet) -> np.ndarray:
    """The loss with every edge out of the heads dropped from the start."""
    experiment = split.experiment
    bench = experiment.bench(experiment.chunks(split.pairs, split.n)[0])
    kept = experiment.graph.upstream.copy()
    kept[[experiment.graph.head_sender(*head) for head in heads]] = False
    loss = np.empty(split.n)
    loss[bench.index] = State(bench, kept).loss.double().numpy()
    return loss - split.full.loss


def test_a_set_is_ablated_together_as_if_all_its_edges_were_dropped() -> None:
    split = measured(written("key"))
    sets = [(head(PREVIOUS), head(INDUCTION)), (head(PREVIOUS),), ((0, 0), (0, 2), (1, 1))]
    found = set_effects(split, [*sets, sets[0]], chunk=7)
    assert list(found) == sets
    for each in sets:
        np.testing.assert_allclose(found[each], slowly(split, each), atol=1e-5)
    lost = share_of(split, found[sets[0]], split.gap)
    assert lost is not None
    assert lost.share == pytest.approx(1, abs=0.02)
    distractors = share_of(split, found[sets[2]], split.gap)
    assert distractors is not None
    assert abs(distractors.share) < 0.01


@pytest.mark.parametrize(("n_layers", "n_heads", "n"), [(2, 8, 3), (24, 12, 5)])
def test_random_sets_are_distinct_as_large_alike_in_depth_and_without_members(
    n_layers: int, n_heads: int, n: int
) -> None:
    members = [(n_layers // 2, number) for number in range(n)]
    sets = random_sets(n_layers, n_heads, members, 50, seed=4)
    assert len(sets) == len(set(sets)) == 50
    reach = max(1, n_layers // 8)
    for each in sets:
        assert len(set(each)) == n
        assert not set(each) & set(members)
        assert all(abs(layer - n_layers // 2) <= reach for layer, _ in each)
    assert sets == random_sets(n_layers, n_heads, members, 50, seed=4)
    assert sets != random_sets(n_layers, n_heads, members, 50, seed=5)


def test_where_few_heads_are_left_the_control_is_not_available() -> None:
    # Of 2 layers of 3 heads, 5 of which are the role, one set of 5 others does not exist.
    assert random_sets(2, 3, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)], 50, seed=0) == []
    few = random_sets(2, 3, [(0, 0)], 50, seed=0)
    assert len(few) == 5
    assert beside(0.9, [0.0] * len(few)) is None


def test_p_counts_the_role_and_the_sets_that_are_worth_as_much() -> None:
    found = beside(0.5, [0.1] * 18 + [0.5, 0.9])
    assert found is not None
    assert found.p == pytest.approx(3 / 21)
    assert found.mean == pytest.approx((1.8 + 1.4) / 20)
    assert found.low == pytest.approx(0.1)
    assert 0.5 < found.high < 0.9
