"""Held-out pairs of a file: whole groups, pairs of one prompt together, decided by the seed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.tasks.heldout import heldout_indices

made_pairs = st.lists(
    st.tuples(st.none() | st.sampled_from("abcdefgh"), st.integers(0, 60), st.integers(0, 60)),
    min_size=8,
    max_size=40,
)


def lone(n: int) -> list[tuple[int, int]]:
    """Prompts that no two pairs share."""
    return [(2 * i, 2 * i + 1) for i in range(n)]


@settings(max_examples=50, deadline=None)
@given(made_pairs, st.integers(0, 2**32 - 1))
def test_groups_stay_whole_and_pairs_of_a_prompt_together(
    pairs: list[tuple[str | None, int, int]], seed: int
) -> None:
    groups, prompts = [pair[0] for pair in pairs], [pair[1:] for pair in pairs]
    heldout = heldout_indices(groups, prompts, seed)
    rest = set(range(len(pairs))) - heldout
    assert not {p for i in heldout for p in prompts[i]} & {p for i in rest for p in prompts[i]}
    assert not ({groups[i] for i in heldout} & {groups[i] for i in rest}) - {None}
    assert len(rest) >= 8
    assert heldout == heldout_indices(groups, prompts, seed)


def test_a_pair_and_its_reversal_are_not_parted() -> None:
    """Clean prompts alone joined none of these: 12 of 12 held-out pairs were reversals."""
    prompts = [(i, i + 20) for i in range(20)] + [(i + 20, i) for i in range(20)]
    for seed in range(10):
        heldout = heldout_indices([None] * 40, prompts, seed)
        assert len(heldout) == 12
        assert {(i + 20) % 40 for i in heldout} == heldout


def test_links_reach_through_a_chain() -> None:
    chain = [(i, i + 1) for i in range(20)]
    assert heldout_indices([None] * 40, [*chain, *lone(70)[50:]], 0) <= set(range(20, 40))


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 200), st.integers(0, 100))
def test_single_pairs_are_split_seventy_to_thirty(n: int, seed: int) -> None:
    heldout = heldout_indices([None] * n, lone(n), seed)
    assert len(heldout) == min(round(0.3 * n), n - 8)


def test_the_seed_decides_which_pairs_are_held_out() -> None:
    draws = {heldout_indices([None] * 40, lone(40), seed) for seed in range(10)}
    assert len(draws) == 10


def test_one_group_cannot_be_split() -> None:
    assert heldout_indices(["a"] * 40, lone(40), 0) == frozenset()


def test_of_two_large_groups_one_is_held_out() -> None:
    groups = ["a"] * 20 + ["b"] * 20
    assert heldout_indices(groups, lone(40), 0) in (
        frozenset(range(20)),
        frozenset(range(20, 40)),
    )


@pytest.mark.parametrize("n", [8, 9, 11])
def test_discovery_keeps_eight_pairs(n: int) -> None:
    assert n - len(heldout_indices([None] * n, lone(n), 0)) == 8
