"""95 % intervals of means and ratios over pairs that come in groups (templates, names).

Pairs of one group are alike, so groups are what counts: an interval that takes pairs as independent
is too short, and so are percentiles of a bootstrap over few groups (they cover .89 at 10 groups,
.83 at 5, .50 at 2). Here every interval is estimate ± q · s:

* s, the jackknife error: how far the figure moves when each group is left out in turn. For a ratio
  it is the figure itself that is taken again, so nothing is linearised.
* Under 10 groups q is Student's, with Kish's effective number of groups ((Σw)² / Σw², w a group's
  share of the denominator) less one as degrees of freedom.
* From 10 groups on q is the 95 % point of |figure of a draw - figure| / s of the draw over draws of
  whole groups (the studentised bootstrap: Efron and Tibshirani 1993, chapter 12, symmetric), which
  follows skewed groups where Student's does not. It is not taken below Student's, nor above
  Student's with 2 degrees of freedom: a draw without the one group that differs says nothing of s.

`python -m benchmarks.coverage` simulates how often they cover; docs/evaluation.md has its table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
LEVEL = 0.95
FEWEST_TO_RESAMPLE = 10
"""With fewer groups, Student's t."""
ONE_GROUP = "all pairs are of one group: how groups differ cannot be told"
HANGS_ON_ONE = "without one of the groups the figure has no value"

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""From sums over pairs [..., column] to the figure [...]."""

_CELLS = 2_000_000
_NONE = 1e-9


class Bounds(NamedTuple):
    """The two ends of an interval; both None where there is none, and then `reason` says why."""

    low: float | None
    high: float | None
    reason: str | None = None


def group_interval(
    values: NDArray[Any],
    groups: Sequence[str],
    *,
    over: NDArray[Any] | None = None,
    seed: int = 0,
) -> Bounds:
    """The 95 % interval of Σ values / Σ over: of a ratio such as faithfulness, or of a mean.

    Args:
        values: One a pair.
        groups: Each pair's group. Groups, not pairs, are taken as independent.
        over: One a pair, what the sum of `values` is divided by; default: 1, for a mean.
        seed: Of the draws.

    Where there is a single group, or where leaving out one leaves nothing to divide by, both ends
    are None and the reason says so.
    """
    over = np.ones(len(values)) if over is None else over
    return figure_interval(np.stack([values, over], axis=-1), groups, _ratio, seed=seed)


def figure_interval(
    values: NDArray[Any], groups: Sequence[str], statistic: Statistic, *, seed: int = 0
) -> Bounds:
    """The 95 % interval of a smooth function of sums over pairs, for what is no plain ratio.

    Args:
        values: [pair, column]; the last column's share is a group's weight.
        groups: Each pair's group.
        statistic: From sums over pairs [..., column] to the figure [...].
        seed: Of the draws.
    """
    sums = group_sums(values, groups)
    n = len(sums)
    if n < 2:
        return Bounds(None, None, ONE_GROUP)
    value, error = _jackknife(sums.sum(axis=0)[None], sums, np.ones((1, n)), statistic)
    centre, spread = float(value[0]), float(error[0])
    if not np.isfinite(centre) or not np.isfinite(spread):
        return Bounds(None, None, HANGS_ON_ONE)
    q = _students(LEVEL, _freedom(sums[:, -1]))
    if n >= FEWEST_TO_RESAMPLE and spread > 0:
        ratios = _studentised(sums, statistic, centre, spread, seed)
        if len(ratios):
            q = max(q, min(float(np.quantile(ratios, LEVEL)), _students(LEVEL, 2)))
    return Bounds(centre - q * spread, centre + q * spread)


def joint_intervals(
    values: NDArray[Any], over: NDArray[Any], groups: Sequence[str]
) -> tuple[Values, Values] | None:
    """Ends of intervals of many ratios with one denominator, which all hold at once with 95 %.

    Student's t at any number of groups, with Bonferroni's correction. None where there is a single
    group, or where leaving out one leaves nothing to divide by.

    Args:
        values: [pair, ratio].
        over: One a pair.
        groups: Each pair's group.
    """
    tops, bottoms = group_sums(values, groups), group_sums(over, groups)
    n, all_tops = len(bottoms), tops.sum(axis=0)
    left = bottoms.sum() - bottoms
    if n < 2 or not left.all() or not bottoms.sum():
        return None
    value, squares = all_tops / bottoms.sum(), np.zeros(len(all_tops))
    for top, rest in zip(tops, left, strict=True):
        squares += ((all_tops - top) / rest - value) ** 2
    error = np.sqrt((n - 1) / n * squares)
    q = _students(1 - (1 - LEVEL) / max(1, values.shape[1]), _freedom(bottoms))
    return value - q * error, value + q * error


def group_sums(values: NDArray[Any], groups: Sequence[str]) -> Values:
    """Sums over each group's pairs [group, ...], groups in the order of their names."""
    names, member = np.unique(np.array(groups), return_inverse=True)
    order = np.argsort(member, kind="stable")
    first = np.searchsorted(member[order], np.arange(len(names)))
    return np.add.reduceat(values[order].astype(np.float64), first, axis=0)


def _ratio(sums: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def _jackknife(
    totals: Values, sums: Values, counts: Values, statistic: Statistic
) -> tuple[Values, Values]:
    """The figure and its error in each draw.

    Args:
        totals: Sums over all pairs of a draw [draw, column].
        sums: Of each group [group, column].
        counts: How often a draw has each group [draw, group].
        statistic: As above.
    """
    n = len(sums)
    value = statistic(totals)
    with np.errstate(invalid="ignore", over="ignore"):
        moved = statistic(totals[:, None, :] - sums) - value[:, None]
        moved = np.where(counts > 0, moved, 0.0)
        return value, np.sqrt((n - 1) / n * (counts * moved**2).sum(axis=1))


def _studentised(
    sums: Values, statistic: Statistic, centre: float, spread: float, seed: int
) -> Values:
    """|figure of a draw - figure| / error of the draw, for the draws that have an error."""
    n, rng = len(sums), np.random.default_rng(seed)
    at_a_time = max(1, _CELLS // sums.size)
    found: list[Values] = []
    for start in range(0, DRAWS, at_a_time):
        size = min(at_a_time, DRAWS - start)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n * size).reshape(size, n).astype(np.float64)
        value, error = _jackknife(counts @ sums, sums, counts, statistic)
        with np.errstate(invalid="ignore"):
            usable = np.isfinite(value) & np.isfinite(error) & (error > _NONE * spread)
        found.append(np.abs(value[usable] - centre) / error[usable])
    return np.concatenate(found)


def _freedom(weights: Values) -> float:
    """Kish's effective number of groups less one, at least 1."""
    sizes = np.abs(weights)
    if not sizes.any():
        return 1.0
    return max(1.0, float(sizes.sum() ** 2 / (sizes**2).sum()) - 1)


def _students(level: float, freedom: float) -> float:
    """The two-sided point of Student's t."""
    from scipy.stats import t  # takes most of a second to import

    return float(t.ppf((1 + level) / 2, freedom))
