"""Counting by joins gives the matcher's counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from graph_schema.documents import Motif
from graph_schema.motifs import CircuitGraph, bindings, catalogue
from graph_schema.motifs.counting import Wirings, binding_table, count_occurrences
from tests.graph_schema.motifs.made import CASES, KNOWN, KNOWN_COUNTS


@settings(max_examples=300, deadline=None)
@given(CASES)
def test_the_table_holds_the_matchers_bindings(case: tuple[CircuitGraph, Motif]) -> None:
    graph, motif = case
    table = binding_table(graph, motif)
    named = [[graph.nodes[place].name for place in row] for row in table]
    assert sorted(named) == [list(bound.values()) for bound in bindings(graph, motif)]


def test_draws_are_counted_apart() -> None:
    """The known circuit, and the same without its first three edges."""
    whole = Wirings.of(KNOWN)
    fewer = CircuitGraph.build(KNOWN.nodes, KNOWN.edges[3:])
    # Repeating the last edge keeps the arrays rectangular and changes no count.
    cut = Wirings.of(CircuitGraph.build(KNOWN.nodes, (*KNOWN.edges[3:], *KNOWN.edges[-1:] * 3)))
    both = Wirings(
        KNOWN.nodes,
        *(
            np.concatenate([getattr(whole, name), getattr(cut, name)])
            for name in ("sender", "receiver", "channel", "sign")
        ),
    )
    for name, motif in catalogue().items():
        counts = count_occurrences(both, motif)
        assert counts.tolist() == [KNOWN_COUNTS[name], len(bindings(fewer, motif))]


def test_chunks_of_draws_join_up(monkeypatch) -> None:
    whole = Wirings.of(KNOWN)
    repeated = Wirings(
        KNOWN.nodes,
        *(np.repeat(getattr(whole, n), 5, 0) for n in ("sender", "receiver", "channel", "sign")),
    )
    monkeypatch.setattr("graph_schema.motifs.counting._CELLS", 2 * len(KNOWN.nodes) ** 2)
    for name, motif in catalogue().items():
        assert count_occurrences(repeated, motif).tolist() == [KNOWN_COUNTS[name]] * 5
