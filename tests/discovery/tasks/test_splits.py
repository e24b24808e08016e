"""Held-out pairs of a file: whole groups, identical prompts together, decided by the seed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.tasks.splits import heldout_indices

groups_and_cleans = st.lists(
    st.tuples(st.none() | st.sampled_from("abcdefgh"), st.integers(0, 40)), min_size=8, max_size=40
)


@settings(max_examples=50, deadline=None)
@given(groups_and_cleans, st.integers(0, 2**32 - 1))
def test_groups_stay_whole_and_identical_prompts_together(
    pairs: list[tuple[str | None, int]], seed: int
) -> None:
    groups, cleans = [g for g, _ in pairs], [c for _, c in pairs]
    heldout = heldout_indices(groups, cleans, seed)
    rest = set(range(len(pairs))) - heldout
    assert not {cleans[i] for i in heldout} & {cleans[i] for i in rest}
    assert not ({groups[i] for i in heldout} & {groups[i] for i in rest}) - {None}
    assert len(rest) >= 8
    assert heldout == heldout_indices(groups, cleans, seed)


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 200), st.integers(0, 100))
def test_single_pairs_are_split_seventy_to_thirty(n: int, seed: int) -> None:
    heldout = heldout_indices([None] * n, list(range(n)), seed)
    assert len(heldout) == min(round(0.3 * n), n - 8)


def test_the_seed_decides_which_pairs_are_held_out() -> None:
    draws = {heldout_indices([None] * 40, range(40), seed) for seed in range(10)}
    assert len(draws) == 10


def test_one_group_cannot_be_split() -> None:
    assert heldout_indices(["a"] * 40, range(40), 0) == frozenset()


def test_of_two_large_groups_one_is_held_out() -> None:
    groups = ["a"] * 20 + ["b"] * 20
    assert heldout_indices(groups, range(40), 0) in (
        frozenset(range(20)),
        frozenset(range(20, 40)),
    )


@pytest.mark.parametrize("n", [8, 9, 11])
def test_discovery_keeps_eight_pairs(n: int) -> None:
    assert n - len(heldout_indices([None] * n, range(n), 0)) == 8
