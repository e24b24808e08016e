"""One model makes nothing recur, and what no outcome could have called costs nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import combine_pvalues

from graph_schema.motifs.recurrence import adjusted, conjunction_p, holm, how_many, reachable


def test_all_but_the_least_p_are_combined() -> None:
    p = [0.02, 1e-9, 0.04, 0.3]
    scipys: Any = combine_pvalues([0.02, 0.04, 0.3])
    assert conjunction_p(p) == pytest.approx(scipys.pvalue)
    assert conjunction_p(p, 4) == pytest.approx(0.3)
    assert conjunction_p([1e-9, 1.0]) == 1.0
    assert conjunction_p([1e-9]) == 1.0


def test_with_one_model_that_has_it_the_error_is_kept() -> None:
    """10,000 sets of five models, one of them striking: p ≤ .05 in a share of .05 at most."""
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(10_000, 5))
    p[:, -1] = 1e-6
    wrong = np.mean([conjunction_p(row) <= 0.05 for row in p.tolist()])
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 10_000)
    assert wrong > 0.04  # and not needlessly


def test_those_that_could_not_be_called_leave() -> None:
    assert reachable({"a": 0.001, "b": 0.02, "c": 0.02, "d": 0.9}, 0.05) == {"a"}
    assert reachable({"a": 0.001, "b": 0.02}, 0.05) == {"a", "b"}
    assert reachable({"a": 0.2}, 0.05) == set()
    assert adjusted({}) == {}
    assert adjusted({"a": 0.01, "b": 0.04}) == pytest.approx({"a": 0.02, "b": 0.04})


def test_models_are_paid_for() -> None:
    assert holm([0.02, 0.001, 0.5]) == pytest.approx([0.04, 0.003, 0.5])
    assert holm([]) == []
    assert how_many([0.001, 0.002, 0.003, 0.9], 0.05) == 3
    assert how_many([0.001, 0.9, 0.9], 0.05) == 0
