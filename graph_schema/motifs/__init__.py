"""Motifs: the catalogue, the matcher that defines their meaning, faster ones, and significance.

`matching` is what a motif means, in plain Python. `finding` and `counting` give the same from
sparse rows; `cypher` says the same to a graph database.
"""

from graph_schema.motifs.cypher import CompiledMotif, compile_motif
from graph_schema.motifs.finding import Found, find
from graph_schema.motifs.graph import CircuitGraph, GraphEdge, GraphNode
from graph_schema.motifs.matching import bindings, occurrences
from graph_schema.motifs.notation import parse_motif
from graph_schema.motifs.shipped import catalogue, find_motif
from graph_schema.motifs.significance import called, motif_tests

__all__ = [
    "CircuitGraph",
    "CompiledMotif",
    "Found",
    "GraphEdge",
    "GraphNode",
    "bindings",
    "called",
    "catalogue",
    "compile_motif",
    "find",
    "find_motif",
    "motif_tests",
    "occurrences",
    "parse_motif",
]
