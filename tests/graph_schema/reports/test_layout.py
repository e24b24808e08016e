"""Where nodes stand."""

from __future__ import annotations

import numpy as np
import pytest

from graph_schema.reports.layout import by_position, layered


def _crossings(x: list[float], edges: list[tuple[int, int]]) -> int:
    return sum(
        (x[a] - x[c]) * (x[b] - x[d]) < 0
        for i, (a, b) in enumerate(edges)
        for c, d in edges[i + 1 :]
    )


def test_a_row_is_ordered_by_what_it_is_joined_to() -> None:
    """Two chains that the order of names would cross stand side by side."""
    rows = np.array([0, 0, 1, 1, 2, 2])
    edges = [(0, 3), (1, 2), (3, 4), (2, 5)]
    senders, receivers = np.array(edges).T
    x = layered(rows, senders, receivers, np.ones(4))
    assert _crossings([0, 1, 0, 1, 0, 1], edges) > 0
    assert _crossings(x.tolist(), edges) == 0


def test_nodes_of_a_row_keep_their_distance_and_neighbours_come_near() -> None:
    rng = np.random.default_rng(0)
    rows, hidden = np.sort(rng.integers(0, 20, 400)), rng.random(400)
    a, b = rng.integers(0, 400, (2, 30_000))
    joined = (rows[a] < rows[b]) & (np.abs(hidden[a] - hidden[b]) < 0.05)
    senders, receivers = a[joined], b[joined]
    x = layered(rows, senders, receivers, np.ones(len(senders)))
    for row in np.unique(rows):
        assert (np.diff(np.sort(x[rows == row])) >= 1 - 1e-9).all()
    before = np.concatenate([np.arange(n) - (n - 1) / 2 for n in np.bincount(rows)])
    length = np.abs(x[senders] - x[receivers]).mean()
    assert length < 0.5 * np.abs(before[senders] - before[receivers]).mean()


def test_heavy_edges_decide_the_order() -> None:
    rows, senders, receivers = (
        np.array([0, 0, 1, 1]),
        np.array([0, 0, 1, 1]),
        np.array([2, 3, 2, 3]),
    )
    for weights, straight in (([1.0, 9.0, 9.0, 1.0], False), ([9.0, 1.0, 1.0, 9.0], True)):
        x = layered(rows, senders, receivers, np.array(weights))
        assert ((x[0] - x[1]) * (x[2] - x[3]) > 0) == straight


@pytest.mark.parametrize("n", [0, 1, 3])
def test_nodes_without_edges_stand_side_by_side(n: int) -> None:
    none = np.array([], dtype=np.int64)
    x = layered(np.zeros(n, dtype=np.int64), none, none, np.array([]))
    assert np.diff(x).tolist() == [1.0] * max(0, n - 1)


def test_a_prompts_positions_go_from_left_to_right() -> None:
    rows = np.array([0, 0, 1, 1, 1, 2])
    x = by_position(rows, [0, 1, 0, 0, 1, None])
    assert x[0] == x[2] < x[3] < x[1] == x[4] < x[5]
