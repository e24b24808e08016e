"""Two one-sided tests: by hand, against scipy, and how often they err."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from graph_schema.comparing.equivalence import equivalence, two_one_sided


def test_the_p_is_that_of_the_two_tests_of_scipy() -> None:
    one, two, margin = [0.5, 0.52, 0.47, 0.55], [0.45, 0.46, 0.5], 0.2
    a, b = np.array(one), np.array(two)
    above: Any = ttest_ind(
        a - b.mean() + margin, b - b.mean(), equal_var=False, alternative="greater"
    )
    below: Any = ttest_ind(a - b.mean() - margin, b - b.mean(), equal_var=False, alternative="less")
    expected = max(above.pvalue, below.pvalue)
    assert two_one_sided(one, two, margin) == pytest.approx(expected)


def test_shares_without_spread_are_compared_as_they_are() -> None:
    assert two_one_sided([0.5] * 3, [0.6] * 3, 0.2) == 0.0
    assert two_one_sided([0.5] * 3, [0.8] * 3, 0.2) == 1.0


def test_the_pair_that_stands_furthest_apart_decides() -> None:
    shares = {"a": [0.5, 0.51, 0.52], "b": [0.5, 0.49, 0.51], "c": [0.8, 0.81, 0.82]}
    found = equivalence("x", shares, margin=0.2, alpha=0.05)
    assert not found.equivalent
    assert "c (0.81)" in found.reason
    assert equivalence("x", shares | {"c": [0.5, 0.53, 0.56]}, margin=0.2, alpha=0.05).equivalent


def test_families_of_two_are_left_out() -> None:
    found = equivalence("x", {"a": [0.5] * 3, "b": [0.5] * 2}, margin=0.2, alpha=0.05)
    assert (found.p, found.equivalent) == (None, False)
    assert "fewer than two families" in found.reason


@pytest.mark.parametrize("n", [3, 6])
def test_families_that_differ_by_the_margin_are_called_equivalent_in_5_percent_at_most(
    n: int,
) -> None:
    rng = np.random.default_rng(0)
    runs = 1000
    called = sum(
        two_one_sided(rng.normal(0.4, 0.05, n).tolist(), rng.normal(0.6, 0.08, n).tolist(), 0.2)
        <= 0.05
        for _ in range(runs)
    )
    assert called / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
