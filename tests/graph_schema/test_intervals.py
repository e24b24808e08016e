from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from graph_schema.intervals import (
    ONE_GROUP,
    Values,
    figure_interval,
    group_interval,
    joint_intervals,
)


def grouped(rng: np.random.Generator, n_groups: int, kind: str) -> tuple[Values, list[str]]:
    """Pairs of groups of unequal size whose own effect is as large as the pairs' noise; mean 0."""
    sizes = rng.integers(1, 9, n_groups)
    effects = {
        "normal": lambda: rng.normal(size=n_groups),
        "skewed": lambda: (rng.gamma(4, size=n_groups) - 4) / 2,
    }[kind]()
    member = np.repeat(np.arange(n_groups), sizes)
    return effects[member] + rng.normal(size=len(member)), [f"group {i}" for i in member]


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("n_groups", [2, 3, 5, 7, 10, 12])
def test_an_interval_of_a_mean_covers_at_any_number_of_groups(n_groups: int, kind: str) -> None:
    """Percentiles of a bootstrap covered .50, .75, .83, .88 at 2, 3, 5, 7 groups, .89 at 10."""
    rng, hits, tries = np.random.default_rng(0), 0, 300
    for seed in range(tries):
        values, groups = grouped(rng, n_groups, kind)
        low, high, _ = group_interval(values, groups, seed=seed)
        assert low is not None
        assert high is not None
        hits += low <= 0 <= high
    # Three standard errors of .95 over 300 tries.
    assert hits / tries == pytest.approx(0.955, abs=0.038)


def test_an_interval_of_a_ratio_covers() -> None:
    rng, hits, tries = np.random.default_rng(1), 0, 300
    for seed in range(tries):
        noise, groups = grouped(rng, 12, "skewed")
        other, _ = grouped(rng, 12, "normal")
        gap = 4 + np.resize(other, len(noise))
        low, high, _ = group_interval(0.8 * gap + noise, groups, over=gap, seed=seed)
        assert low is not None
        assert high is not None
        hits += low <= 0.8 <= high
    assert hits / tries == pytest.approx(0.955, abs=0.038)


def test_few_groups_of_one_size_give_students_interval_of_their_means() -> None:
    values = np.array([1.0, 3.0, 2.0, 6.0, 0.0, 9.0])
    low, high, reason = group_interval(values, list("aabbcc"))
    means = np.array([2.0, 4.0, 4.5])
    half = t.ppf(0.975, 2) * means.std(ddof=1) / np.sqrt(3)
    assert reason is None
    assert (low, high) == pytest.approx((3.5 - half, 3.5 + half))


def test_a_single_group_has_no_interval_and_says_why() -> None:
    assert group_interval(np.array([1.0, 2.0]), ["a", "a"]) == (None, None, ONE_GROUP)


def test_no_interval_where_one_group_holds_all_there_is_to_divide_by() -> None:
    found = group_interval(np.array([1.0, 0.0, 0.0]), list("abc"), over=np.array([1.0, 0, 0]))
    assert found.low is None
    assert found.reason
    assert "without one of the groups" in found.reason


def test_what_does_not_vary_has_an_interval_of_no_length() -> None:
    gap = np.random.default_rng(0).normal(4, 1, 60)
    low, high, _ = group_interval(gap, [str(i // 5) for i in range(60)], over=gap)
    assert (low, high) == pytest.approx((1, 1), abs=1e-12)


def test_one_group_that_differs_does_not_blow_the_interval_up() -> None:
    """Most draws without it have hardly an error, so their studentised values are boundless."""
    values = np.array([0.1] * 11 + [0.9]) + 1e-7 * np.arange(12)
    low, high, _ = group_interval(values, [str(i) for i in range(12)])
    assert low is not None
    assert high is not None
    assert -0.2 < low < high < 0.5


def test_the_order_of_pairs_does_not_matter_and_the_seed_fixes_the_draws() -> None:
    rng = np.random.default_rng(3)
    values, groups = grouped(rng, 20, "skewed")
    order = rng.permutation(len(values))
    turned = group_interval(values[order], [groups[i] for i in order], seed=5)
    here = group_interval(values, groups, seed=5)
    assert turned[:2] == pytest.approx(here[:2], rel=1e-9, abs=1e-12)
    long_tailed = np.exp(values)
    drawn = [group_interval(long_tailed, groups, seed=seed) for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_many_groups_agree_with_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=3000)
    low, high, _ = group_interval(values, [str(i) for i in range(3000)])
    half = 1.96 * values.std() / np.sqrt(3000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)


def test_a_figure_of_several_sums_is_resampled_as_a_whole() -> None:
    """A mean of two ratios over one denominator is a ratio, so both ways agree."""
    rng = np.random.default_rng(2)
    a, groups = grouped(rng, 15, "normal")
    b, gap = a + rng.normal(size=len(a)), 4 + rng.normal(size=len(a))
    both = figure_interval(
        np.stack([a, b, gap], axis=-1), groups, lambda s: (s[..., 0] + s[..., 1]) / 2 / s[..., 2]
    )
    assert both[:2] == pytest.approx(group_interval((a + b) / 2, groups, over=gap)[:2])


def test_joint_intervals_are_wider_than_each_alone_and_of_the_same_ratios() -> None:
    rng = np.random.default_rng(4)
    a, groups = grouped(rng, 8, "normal")
    gap = 4 + rng.normal(size=len(a))
    found = joint_intervals(np.stack([a, 2 * a], axis=1), gap, groups)
    assert found is not None
    alone = group_interval(a, groups, over=gap)
    assert alone.low is not None
    assert found[0][0] < alone.low
    assert found[0][1] == pytest.approx(2 * found[0][0])
    assert joint_intervals(np.stack([a, a], axis=1), gap, ["x"] * len(a)) is None
