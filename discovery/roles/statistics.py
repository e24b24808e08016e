"""Tests over groups of pairs, and Benjamini and Hochberg's correction over all that is tested.

Groups, not pairs, are taken as independent (graph_schema/intervals.py): the error of a mean is the
jackknife's over groups, its freedom Kish's effective number of groups less one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph_schema.intervals import group_interval, group_sums

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """A mean over pairs with its 95 % interval and `p` of the one-sided test against a floor."""

    mean: float
    low: float
    high: float
    p: float

    def signed(self, sign: int) -> Effect:
        """The same, or of minus the values."""
        low, high = sorted((sign * self.low, sign * self.high))
        return Effect(sign * self.mean, low, high, self.p)


def effect_of(values: Values, groups: Sequence[str], floor: float, seed: int = 0) -> Effect:
    """The mean of one value a pair, held against `floor`: H0 says that it is no more.

    Where all pairs are of one group, pairs stand in for groups.
    """
    if len(set(groups)) < 2:
        groups = [str(number) for number in range(len(values))]
    low, high, _ = group_interval(values, groups, seed=seed)
    mean = float(values.mean())
    return Effect(
        mean,
        mean if low is None else low,
        mean if high is None else high,
        p_above(values, groups, floor),
    )


def p_above(values: Values, groups: Sequence[str], floor: float) -> float:
    """P of Student's one-sided test that a mean is above `floor`, over groups."""
    from scipy.stats import t  # takes most of a second to import

    sums = group_sums(np.stack([values, np.ones(len(values))], axis=-1), groups)
    n, total = len(sums), sums.sum(axis=0)
    mean = total[0] / total[1]
    left = (total - sums)[:, 0] / (total - sums)[:, 1]
    error = float(np.sqrt((n - 1) / n * ((left - mean) ** 2).sum()))
    if error <= 1e-12 * abs(mean):
        return 0.0 if mean > floor else 1.0
    freedom = max(1.0, float(total[1] ** 2 / (sums[:, 1] ** 2).sum()) - 1)
    return float(t.sf((mean - floor) / error, freedom))


def benjamini_hochberg(p: Values, n_tests: int | None = None) -> Values:
    """The smallest false discovery rate at which each hypothesis is rejected (1995).

    Args:
        p: One a hypothesis.
        n_tests: How many were tested in all; those not given have p = 1.
    """
    n = len(p) if n_tests is None else n_tests
    order = np.argsort(p)
    ranked = p[order] * n / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(found, 1.0)
