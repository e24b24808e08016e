"""A kept set changed step by step says what the graph says of the matrix that is left."""

from __future__ import annotations

import time

import numpy as np
import pytest

from discovery.engine.graph import Graph
from discovery.engine.kept import Kept
from discovery.engine.schedule import after
from discovery.engine.site import Split
from graph_schema.documents import Channel

GRAPHS = {
    "heads": Graph(3, 4),
    "parallel": Graph(2, 3, parallel=True, split_embed=True),
    "parts": Graph(
        3,
        2,
        splits=(
            Split("input", (4, 1), error=False),
            Split("a0.h1", (0, 3, 5)),
            Split("m1", tuple(range(70)), "n", error=False),
            Split("a2", tuple(range(9))),
        ),
    ),
}


@pytest.mark.parametrize("name", list(GRAPHS))
@pytest.mark.parametrize("density", [0.08, 0.5, 1.0])
def test_every_drop_leaves_what_the_graph_says_of_the_matrix(name: str, density: float) -> None:
    graph, rng = GRAPHS[name], np.random.default_rng(1)
    matrix = graph.upstream & (rng.random(graph.upstream.shape) < density)
    kept = Kept(graph, matrix)
    for _ in range(60):
        senders, receivers = np.nonzero(kept.matrix)
        if not len(senders):
            break
        which = int(rng.integers(len(senders)))
        sender, receiver = int(senders[which]), int(receivers[which])
        kept.drop(sender, [receiver])
        matrix[sender, receiver] = False
        assert np.array_equal(kept.matrix, matrix)
        assert np.array_equal(kept.live, graph.live_receivers(matrix))
        assert np.array_equal(kept.spread, graph.spread_senders(matrix))
    fresh = Kept(graph, matrix)
    assert np.array_equal(kept.marks, fresh.marks)
    every = np.arange(graph.n_receivers)
    assert np.array_equal(kept.columns(every, graph.n_senders), matrix)
    same = (matrix[:, :, None] == matrix[:, None, :]).all(0)
    assert np.array_equal(kept.marks[:, None] == kept.marks[None, :], same)
    some = rng.permutation(graph.n_senders)[:3]
    first = int(rng.integers(graph.n_receivers))
    assert np.array_equal(kept.readers(some, first)[first:], np.any(matrix[some], axis=0)[first:])


def test_what_is_dropped_was_kept() -> None:
    graph = GRAPHS["heads"]
    kept = Kept(graph, graph.none())
    with pytest.raises(AssertionError, match="only a kept edge"):
        kept.drop(0, [0])


def test_a_test_is_planned_for_what_hangs_on_it() -> None:
    """5,000 senders, 15,000 receivers: with a matrix walked over it was half a second."""
    splits = [Split(f"a{layer}", tuple(range(416))) for layer in range(12)]
    graph = Graph(12, 12, splits=tuple(splits))
    assert (graph.n_senders, graph.n_receivers) == (5029, 15061)
    kept = Kept(graph, graph.upstream)
    seconds: list[float] = []
    for receiver in (graph.head_receivers(layer, Channel.K).start + 7 for layer in range(1, 8)):
        kept.drop(3, [receiver])
        started = time.process_time()
        schedule = after(kept, [receiver])
        seconds.append(time.process_time() - started)
        assert len(schedule.steps) == 2 * (11 - graph.layer(receiver)) + 2
    assert np.median(seconds) < 0.05, "a loaded machine's measure of some 3 ms"
