"""Parts of the pairs: each pair in one of them, and added up only where they belong together."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.methods.shards import Identity, Part, bounds, merged
from graph_schema.array_files import decode, encode
from graph_schema.errors import NumericsError

IDENTITY = Identity("weights", "pairs", "edges")


def parts(n_pairs: int, of: int, *, kept: bool = False) -> list[Part]:
    """Of edges whose scores on pair p are p and 1."""
    found: list[Part] = []
    for index in range(of):
        mine = bounds(n_pairs, index, of)
        own = np.array([[pair, 1] for pair in mine], dtype=np.float32).reshape(-1, 2)
        mean = own.mean(0) if len(mine) else np.zeros(2, dtype=np.float32)
        keep = own if kept else None
        found.append(Part(mine.start, mine.stop, n_pairs, IDENTITY, mean, keep, 1.5))
    return found


@given(st.integers(0, 500), st.integers(2, 40))
def test_every_pair_is_in_one_part_and_parts_are_alike(n_pairs: int, of: int) -> None:
    found = [bounds(n_pairs, index, of) for index in range(of)]
    assert [pair for each in found for pair in each] == list(range(n_pairs))
    assert max(map(len, found)) - min(map(len, found)) <= 1


@given(st.integers(1, 60), st.integers(2, 20), st.randoms())
def test_parts_in_any_order_give_the_mean_over_all_pairs(
    n_pairs: int, of: int, random: Random
) -> None:
    found = parts(n_pairs, of, kept=True)
    random.shuffle(found)
    whole = merged(found, IDENTITY, n_pairs)
    np.testing.assert_allclose(whole.scores, [(n_pairs - 1) / 2, 1], rtol=1e-6)
    assert whole.per_pair is not None
    assert whole.per_pair[:, 0].tolist() == list(range(n_pairs))


def test_a_part_is_the_same_when_it_is_read_back() -> None:
    for kept in (False, True):
        part = parts(7, 3, kept=kept)[1]
        again = Part.from_arrays(decode(encode(part.to_arrays())))
        assert again is not None
        assert vars(again).keys() == vars(part).keys()
        for name, value in vars(part).items():
            np.testing.assert_array_equal(vars(again)[name], value)
    assert Part.from_arrays({**parts(7, 3)[1].to_arrays(), "layout": np.array([0])}) is None


@pytest.mark.parametrize("places", [(0, 1), (0, 1, 1), (0, 1, 2, 2), (0, 2, 2), ()])
def test_a_pair_that_is_missing_or_twice_is_refused(places: tuple[int, ...]) -> None:
    found = parts(10, 3)
    with pytest.raises(NumericsError, match=r"expected each of 10 once"):
        merged([found[place] for place in places], IDENTITY, 10)


def test_parts_of_another_number_of_shards_do_not_fit() -> None:
    with pytest.raises(NumericsError, match="0 to 3 of 10, 5 to 10 of 10"):
        merged([parts(10, 3)[0], parts(10, 2)[1]], IDENTITY, 10)
    with pytest.raises(NumericsError, match="expected each of 9 once"):
        merged(parts(10, 2), IDENTITY, 9)


@pytest.mark.parametrize("other", ["weights", "dataset", "edges"])
def test_parts_of_something_else_are_refused_by_name(other: str) -> None:
    found = parts(10, 2)
    found[1] = replace(found[1], identity=replace(IDENTITY, **{other: "another"}))
    with pytest.raises(NumericsError, match=f"shard 2 of 2 has other {other} than"):
        merged(found, IDENTITY, 10)
