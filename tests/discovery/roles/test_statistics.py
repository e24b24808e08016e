"""Tests over groups and their correction, on made effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, false_discovery_control, ttest_1samp

from discovery.roles.causal import control, worth_ablating
from discovery.roles.statistics import Effect, benjamini_hochberg, effect_of, p_above
from discovery.roles.testing import Hypotheses, Hypothesis
from graph_schema.documents import RoleName

GROUPS = [f"g{i // 3}" for i in range(33)]


def test_p_is_students_over_means_of_groups() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 33)
    means = values.reshape(11, 3).mean(axis=1)
    wanted = ttest_1samp(means, 0.1, alternative="greater")[1]
    assert p_above(values, GROUPS, 0.1) == pytest.approx(wanted, rel=1e-9)
    assert p_above(np.full(33, 2.0), GROUPS, 0.1) == 0
    assert p_above(np.full(33, 0.05), GROUPS, 0.1) == 1
    found = effect_of(values, GROUPS, 0.1)
    assert found.low < found.mean < found.high
    assert found.signed(-1).low == -found.high
    one = effect_of(values, ["all"] * 33, 0.0)  # pairs stand in for groups
    assert one.low < one.mean < one.high


def test_correction_is_benjamini_and_hochbergs() -> None:
    p = np.random.default_rng(1).uniform(0, 0.2, 40)
    assert np.allclose(benjamini_hochberg(p), false_discovery_control(p))
    more = np.concatenate([p, np.ones(60)])
    assert np.allclose(benjamini_hochberg(p, 100), false_discovery_control(more)[:40])


@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "skewed"])
def test_false_roles_stay_within_five_percent(skewed: bool) -> None:
    """200 null data sets at the edge of the hypothesis: every pattern fits, no effect is more than
    the floor. As often as not all 24 tests of a data set are of effects that are equal to it."""
    rng, floor, false = np.random.default_rng(2), 0.5, 0
    scores = {"period-6": 0.9, "period-11": 0.8, "period-16": 0.7}
    for _ in range(200):
        tests = Hypotheses(24)
        for head in range(24):
            drawn = rng.exponential(1, 33) if skewed else rng.normal(1, 1, 33)
            # Its p alone is asked for: an interval is a thousand draws.
            p = p_above(floor + drawn - 1, GROUPS, floor)
            effect = Effect(float(drawn.mean()), 0.0, 0.0, p)
            tests.done.append(
                Hypothesis((head // 8, head % 8), RoleName.INDUCTION, scores, effect, floor)
            )
        false += bool((tests.q <= 0.05).any())
    assert false <= binom.ppf(0.975, 200, 0.05)
    if not skewed:
        assert false >= binom.ppf(0.025, 200, 0.05)


def test_one_effect_of_several_is_enough_and_each_more_has_its_price() -> None:
    scores, rng = {"abba-1": 0.6}, np.random.default_rng(3)
    small = effect_of(rng.normal(0.1, 0.3, 33), GROUPS, 0.1)
    large = effect_of(rng.normal(1.0, 0.3, 33), GROUPS, 0.1)
    alone = Hypothesis((0, 0), RoleName.NAME_MOVER, scores, small, 0.1)
    assert "expected above" in alone.why_not(0.0)
    made_up_for = replace(alone, direct=large)
    assert not made_up_for.why_not(0.0)
    assert made_up_for.p == pytest.approx(2 * large.p)
    among = replace(made_up_for, kin=3, among=small)
    assert among.p == pytest.approx(3 * large.p)
    assert "directly on the logits" in replace(alone, direct=small).why_not(0.0)


def test_controls_need_twenty_others() -> None:
    means = np.arange(16.0).reshape(2, 8)
    assert control(means, (0, 0), 0).effect is None
    assert len(worth_ablating(2, 8, [(0, 0)], 0)) == 16
    wanted = worth_ablating(24, 12, [(3, 4), (20, 1)], 0)
    assert {(3, 4), (20, 1)} < set(wanted)
    assert len(wanted) == 42
    some = np.full((24, 12), np.nan)
    for head in wanted:
        some[head] = 1.0
    assert control(some, (3, 4), 0).effect == 1
    assert control(some, (3, 4), 0).sets == 20
    large = np.random.default_rng(0).normal(size=(24, 12))
    found = control(large, (3, 4), 0)
    assert found.sets == 50
    near = np.delete(large[0:7].ravel(), 3 * 12 + 4)
    assert near.min() < (found.effect or np.inf) < near.max()
