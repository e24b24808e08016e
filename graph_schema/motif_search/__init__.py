"""Motifs against the graph: pure search and tests (`graph_schema.motifs`) joined to the store."""

from graph_schema.motif_search.recurring import discover_motifs
from graph_schema.motif_search.searching import (
    add_motif,
    circuit_graph,
    find_occurrences,
    flag_contradictions,
    flag_contradictions_of_model,
    known_motifs,
    motif_named,
    run_motif_tests,
    store_occurrences,
    stored_tests,
)

__all__ = [
    "add_motif",
    "circuit_graph",
    "discover_motifs",
    "find_occurrences",
    "flag_contradictions",
    "flag_contradictions_of_model",
    "known_motifs",
    "motif_named",
    "run_motif_tests",
    "store_occurrences",
    "stored_tests",
]
