"""Listing and counting give what the matcher gives, whichever way a pattern is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from graph_schema.documents import EdgePattern, Motif, NodePattern
from graph_schema.motifs import CircuitGraph, algebra, bindings, catalogue, counting, listing
from graph_schema.motifs.counting import count_all, count_by_listing, count_occurrences
from graph_schema.motifs.draws import Draws, Relations
from graph_schema.motifs.elimination import TooDenseError, count_by_products
from graph_schema.motifs.listing import binding_tables
from tests.graph_schema.motifs.made import CASES, KNOWN, KNOWN_COUNTS, graph_of
from tests.graph_schema.motifs.simulated import graph_in, random_circuit


def listed(graph: CircuitGraph, motif: Motif) -> list[dict[str, str]]:
    """What `listing` finds, as the matcher writes it."""
    tables = [*binding_tables(Relations(Draws.of(graph)), motif)]
    rows = [[graph.nodes[place].name for place in row] for table in tables for row in table]
    return [dict(zip(motif.variables, row, strict=True)) for row in sorted(rows)]


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_the_tables_hold_the_matchers_bindings(case: tuple[CircuitGraph, Motif]) -> None:
    graph, motif = case
    assert listed(graph, motif) == bindings(graph, motif)


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_counts_are_the_matchers(case: tuple[CircuitGraph, Motif]) -> None:
    graph, motif = case
    assert count_occurrences(Draws.of(graph), motif).tolist() == [len(bindings(graph, motif))]


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_products_give_the_matchers_counts(case: tuple[CircuitGraph, Motif]) -> None:
    """Where the pattern can be reduced; `count_occurrences` falls back on listing elsewhere."""
    graph, motif = case
    try:
        found = count_by_products(Relations(Draws.of(graph)), motif)
    except TooDenseError:
        return
    assert found.tolist() == [len(bindings(graph, motif))]


@pytest.fixture(params=["whole", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Bounds as they are, and so small that everything is done in many pieces."""
    if request.param == "in pieces":
        monkeypatch.setattr(counting, "CELLS", 2 * len(KNOWN.nodes) ** 2)
        monkeypatch.setattr(algebra, "CELLS", 3)
        monkeypatch.setattr(listing, "ROWS", 2)
    return request.param


def test_draws_are_counted_apart(pieces: str) -> None:
    """The known circuit, and the same without its first three edges."""
    whole = Draws.of(KNOWN)
    fewer = CircuitGraph.build(KNOWN.nodes, KNOWN.edges[3:])
    # Repeating the last edge keeps the arrays rectangular and changes no count.
    cut = Draws.of(CircuitGraph.build(KNOWN.nodes, (*KNOWN.edges[3:], *KNOWN.edges[-1:] * 3)))
    columns = ("sender", "receiver", "channel", "sign", "roles")
    both = replace(
        whole,
        **{n: np.concatenate([getattr(each, n) for each in (whole, cut) * 3]) for n in columns},
    )
    counts = count_all(both, list(catalogue().values()))
    for (name, motif), found in zip(catalogue().items(), counts.tolist(), strict=True):
        assert found == [KNOWN_COUNTS[name], len(bindings(fewer, motif))] * 3
        assert listed(KNOWN, motif) == bindings(KNOWN, motif)


def test_all_of_the_catalogue_is_counted_by_products() -> None:
    graph = random_circuit(np.random.default_rng(0), n_layers=6, n_heads=6, n_edges=200)
    relations = Relations(Draws.of(graph))
    for motif in catalogue().values():
        expected = len(bindings(graph, motif))
        assert count_by_products(relations, motif).tolist() == [expected], motif.name
        assert count_by_listing(relations, motif).tolist() == [expected], motif.name


def test_a_pattern_too_dense_for_products_is_listed() -> None:
    """Four nodes that are all joined leave three neighbours each."""
    names = ("a", "b", "c", "d")
    motif = Motif(
        name="dense",
        nodes=tuple(NodePattern(variable=name) for name in names),
        edges=tuple(
            EdgePattern(sender=one, receiver=two)
            for place, one in enumerate(names)
            for two in names[place + 1 :]
        ),
    )
    heads = [f"a{layer}.h0" for layer in range(4)]
    graph = graph_of(*(f"{s}->{r}<q>" for i, s in enumerate(heads) for r in heads[i + 1 :]))
    with pytest.raises(TooDenseError):
        count_by_products(Relations(Draws.of(graph)), motif)
    assert count_occurrences(Draws.of(graph), motif).tolist() == [1]


def test_a_draw_as_a_graph_is_the_graph() -> None:
    again = graph_in(Draws.of(KNOWN), 0)
    assert again.nodes == KNOWN.nodes
    assert [e.sender for e in again.edges] == [e.sender for e in KNOWN.edges]
