"""Counts, order, names and dead ends of the computational graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.engine.graph import BoolMatrix, Graph
from graph_schema.errors import SpecError
from graph_schema.models.layout import Layout


@pytest.mark.parametrize(
    ("layers", "heads", "edges"),
    [(12, 12, 32_491), (30, 9, 123_211), (18, 4, 10_342)],
    ids=["gpt2-small", "smollm2-135m", "gemma-3-270m"],
)
def test_edge_counts_are_those_of_the_models(layers: int, heads: int, edges: int) -> None:
    assert Graph(layers, heads).n_edges == edges


def test_tiny_graph_has_the_edges_one_can_list_by_hand() -> None:
    assert Graph(1, 1).names() == [
        "input->a0.h0<q>",
        "input->a0.h0<k>",
        "input->a0.h0<v>",
        "input->m0",
        "a0.h0->m0",
        "input->logits",
        "a0.h0->logits",
        "m0->logits",
    ]


def test_parallel_blocks_have_no_edge_from_a_head_to_its_layers_mlp() -> None:
    names = Graph(2, 2, parallel=True).names()
    assert "a0.h0->m0" not in names
    assert "a0.h0->m1" in names


def test_split_embeddings_send_apart() -> None:
    graph = Graph(1, 1, split_embed=True)
    assert graph.sender_names == ("embed", "pos_embed", "a0.h0", "m0")
    assert graph.n_edges == 8 + 5


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("split_embed", [False, True])
def test_numbers_and_the_layouts_names_say_the_same(parallel: bool, split_embed: bool) -> None:
    graph = Graph(3, 2, parallel=parallel, split_embed=split_embed)
    layout = Layout(3, 2, parallel=parallel, split_embed=split_embed)
    assert graph.names() == [edge.name for edge in layout.edges()]
    assert graph.n_edges == layout.n_edges
    assert len(graph.sender_names) == graph.n_senders
    assert len(graph.receivers) == graph.n_receivers


def test_names_and_matrices_say_the_same() -> None:
    graph = Graph(2, 3)
    names = graph.names()
    assert len(names) == graph.n_edges
    some = names[::3]
    kept = graph.kept(some)
    assert graph.names(kept) == some
    assert np.array_equal(graph.to_matrix(graph.to_list(kept)), kept)
    assert np.array_equal(graph.kept(["input->a1.h2.q"]), graph.kept(["input->a1.h2<q>"]))


@pytest.mark.parametrize("name", ["a1.h0->a0.h0<q>", "a0.h9->logits", "embed->m0", "m0->a0.h0<k>"])
def test_edges_of_no_model_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="not in this model"):
        Graph(2, 2).kept([name])


def test_trim_removes_dead_ends_on_both_sides() -> None:
    graph = Graph(2, 2)
    path = ["input->a0.h0<v>", "a0.h0->m1", "m1->logits"]
    dead = ["input->m0", "a0.h1->a1.h0<q>", "a1.h0->logits", "input->a0.h1<k>"]
    # a0.h1 -> a1.h0 -> logits is alive: a0.h1 reads the input by its key.
    assert set(graph.names(graph.trim(graph.kept(path + dead)))) == {*path, *dead} - {"input->m0"}
    unread = graph.kept([*path, "a0.h1->a1.h0<q>", "a1.h0->logits"])
    assert graph.names(graph.trim(unread)) == sorted(path, key=graph.names().index)


def _paths(graph: Graph, kept: BoolMatrix) -> set[tuple[int, int]]:
    """Every edge on a path from an input to the logits, by walking all of them."""
    found: set[tuple[int, int]] = set()

    def walk(sender: int, trail: tuple[tuple[int, int], ...]) -> None:
        for receiver in np.flatnonzero(kept[sender]):
            here = (*trail, (sender, int(receiver)))
            if receiver == graph.logits:
                found.update(here)
            else:
                walk(int(graph.writer[receiver]), here)

    for sender in range(graph.n_inputs):
        walk(sender, ())
    return found


@given(
    seed=st.integers(0, 1000),
    density=st.sampled_from([0.1, 0.3, 0.6]),
    parallel=st.booleans(),
    split=st.booleans(),
)
def test_trim_keeps_what_lies_on_a_path(
    seed: int, density: float, parallel: bool, split: bool
) -> None:
    graph = Graph(2, 2, parallel=parallel, split_embed=split)
    drawn = np.random.default_rng(seed).random(graph.upstream.shape) < density
    kept = graph.trim(drawn)
    assert {(int(s), int(r)) for s, r in np.argwhere(kept)} == _paths(graph, drawn & graph.upstream)


def test_writes_spread_over_positions_through_live_keys_and_values_alone() -> None:
    graph = Graph(2, 2)
    kept = graph.kept(
        ["a1.h0->logits", "m0->a1.h0<q>", "a0.h1->m0", "a0.h0->a1.h0<k>", "input->a1.h1<v>"]
    )
    assert [graph.sender_names[i] for i in np.flatnonzero(graph.spread_senders(kept))] == ["a0.h0"]
    wider = kept | graph.kept(["m0->a1.h0<v>"])
    assert [graph.sender_names[i] for i in np.flatnonzero(graph.spread_senders(wider))] == [
        "a0.h0",
        "a0.h1",
        "m0",
    ]
