"""Hypothesis tests of circuits, worked out by hand and on data whose truth is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from discovery.evaluation.hypothesis_tests import (
    equivalence,
    independence,
    minimality,
    non_equivalence,
)
from graph_schema.documents import Split

HELD = Split.HELDOUT


def _losses(better: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses of a circuit that does better than the model on `better` of n pairs."""
    full = np.zeros(n)
    return np.where(np.arange(n) < better, -1.0, 1.0), full


def _tail(n: int, chance: float, wanted: set[int]) -> float:
    """P(number of successes in `wanted`), by counting every outcome."""
    total = 0.0
    for outcome in product((0, 1), repeat=n):
        if (k := sum(outcome)) in wanted:
            total += chance**k * (1 - chance) ** (n - k)
    return total


def test_equivalence_is_a_sign_test_at_the_ends_of_the_null() -> None:
    # 1 of 8: as far from 4 as 0, 1, 7 and 8 are.
    found = equivalence(*_losses(1, 8), HELD)
    assert found.p_value == pytest.approx(_tail(8, 0.6, {0, 1, 7, 8}))
    assert found.outcome == "not rejected"
    assert equivalence(*_losses(4, 8), HELD).p_value == 1
    assert equivalence(*_losses(0, 8), HELD).outcome == "rejected"
    # Rejects at 0 and 8 only, so at a chance of .8 it does with .8^8 + .2^8.
    assert found.power == pytest.approx(0.8**8 + 0.2**8)


def test_few_pairs_pass_equivalence_and_show_nothing() -> None:
    circuit, full = _losses(4, 8)
    assert equivalence(circuit, full, HELD).outcome == "not rejected"
    shown = non_equivalence(circuit, full, HELD)
    assert shown.outcome == "not rejected"
    assert shown.power == 0
    wanted = max(_tail(8, 0.4, {4, 5, 6, 7, 8}), _tail(8, 0.6, {0, 1, 2, 3, 4}))
    assert shown.p_value == pytest.approx(wanted)
    many = non_equivalence(*_losses(500, 1000), HELD)
    assert many.outcome == "rejected"
    assert many.power is not None
    assert many.power > 0.99
    assert non_equivalence(*_losses(0, 1000), HELD).p_value == pytest.approx(1)


def test_ties_count_half() -> None:
    same = np.ones(10)
    assert equivalence(same, same, HELD).statistic == 0.5
    assert equivalence(same, same, HELD).p_value == 1


def test_independence_finds_what_depends_and_not_what_does_not() -> None:
    rng = np.random.default_rng(0)
    full, other = rng.normal(size=(2, 40))
    assert independence(full**2, full, HELD, seed=0).outcome == "rejected"
    unrelated = independence(other, full, HELD, seed=0)
    assert unrelated.outcome == "not rejected"
    assert unrelated.power is not None
    assert 0.3 < unrelated.power <= 1
    assert independence(np.ones(40), full, HELD, seed=0).p_value == 1


def test_independence_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(20, 2, 12))
    found = [independence(a, b, HELD, seed=i).outcome for i, (a, b) in enumerate(draws)]
    assert found.count("rejected") <= 4


def test_minimality_rejects_a_circuit_with_an_edge_like_a_random_one() -> None:
    random = np.linspace(0, 1, 10)
    weak = minimality(np.array([5.0, 0.05]), random, HELD, 8)
    # The weak edge beats 1 of 10; two edges were tried.
    assert weak.statistic == pytest.approx(0.1)
    assert weak.p_value == pytest.approx(2 * _tail(10, 0.9, {0, 1}))
    assert weak.outcome == "rejected"
    strong = minimality(np.array([5.0, 6.0]), random, HELD, 8)
    assert strong.p_value == 1
    assert strong.power == pytest.approx(_tail(10, 0.5, {0, 1, 2, 3, 4, 5}), abs=0.3)
