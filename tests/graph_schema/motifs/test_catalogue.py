"""The catalogue holds what it says, and all untyped triads that can occur."""

from __future__ import annotations

from itertools import chain, combinations, permutations

import networkx as nx
import pytest

from graph_schema.errors import SpecError
from graph_schema.motifs import catalogue, find_motif

PAIRS = list(permutations(range(3), 2))


def _connected_classes() -> list[nx.DiGraph]:
    """One of each class of isomorphic connected digraphs on three nodes."""
    subsets = chain.from_iterable(combinations(PAIRS, size) for size in range(7))
    classes: list[nx.DiGraph] = []
    for edges in subsets:
        graph = nx.DiGraph(list(edges))
        connected = len(graph) == 3 and nx.is_weakly_connected(graph)
        if connected and not any(nx.is_isomorphic(graph, other) for other in classes):
            classes.append(graph)
    return classes


def test_triads_are_all_connected_patterns_that_a_circuit_can_hold() -> None:
    classes = _connected_classes()
    possible = [graph for graph in classes if nx.is_directed_acyclic_graph(graph)]
    triads = [motif for name, motif in catalogue().items() if name.startswith("triad_")]
    graphs = [nx.DiGraph([(e.sender, e.receiver) for e in motif.edges]) for motif in triads]
    assert len(classes) == 13
    assert len(possible) == len(graphs) == 4
    assert all(any(nx.is_isomorphic(graph, one) for one in graphs) for graph in possible)
    assert all(motif.induced and motif.untyped for motif in triads)


def test_every_motif_says_what_it_is_and_who_named_it() -> None:
    assert all(motif.description and motif.source for motif in catalogue().values())
    assert len({motif.motif_id for motif in catalogue().values()}) == len(catalogue())


def test_output_roles_are_those_that_write_to_the_logits() -> None:
    outputs = {name: motif.output for name, motif in catalogue().items() if motif.output}
    assert outputs == {
        "induction": "induction",
        "indirect_object": "mover",
        "previous_token_chain_induction": "induction",
        "backup_heads": "mover",
        "copy_suppression": "suppressor",
        "skip_path": "head",
    }


def test_an_unknown_name_gets_the_near_ones() -> None:
    with pytest.raises(SpecError, match=r"'inducton' is not in the catalogue.*induction"):
        find_motif("inducton")
