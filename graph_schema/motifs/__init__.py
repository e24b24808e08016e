"""Motifs: the catalogue, the matcher that defines their meaning, Cypher, and significance."""

from graph_schema.motifs.catalogue import catalogue, find_motif
from graph_schema.motifs.cypher import CompiledMotif, compile_motif
from graph_schema.motifs.graph import CircuitGraph, GraphEdge, GraphNode
from graph_schema.motifs.matching import bindings, occurrences
from graph_schema.motifs.notation import parse_motif
from graph_schema.motifs.significance import called, motif_tests

__all__ = [
    "CircuitGraph",
    "CompiledMotif",
    "GraphEdge",
    "GraphNode",
    "bindings",
    "called",
    "catalogue",
    "compile_motif",
    "find_motif",
    "motif_tests",
    "occurrences",
    "parse_motif",
]
