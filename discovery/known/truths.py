"""The truths of a compiled case: lists of edges by name, in `edges.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from discovery.engine.forward import graph_of
from discovery.models.compiled import CompiledAdapter
from graph_schema.documents import Edge
from graph_schema.errors import ModelError, SpecError
from graph_schema.models.compiled.names import KNOWN_TRUTHS, MALFORMED, TRUTHS, near_truth
from graph_schema.printable import clipped, quoted

ALL_EDGES = ("all_edges",)
"""Lists of edges that are no truth."""


def read_truths(
    edges: Mapping[str, Any], case: Mapping[str, Any], adapter: CompiledAdapter
) -> dict[str, frozenset[str]]:
    """The edges of each truth, in the project's spelling.

    Args:
        edges: What `edges.json` holds; empty where there is none.
        case: What `case.json` holds, where truths do not belong.
        adapter: The model whose edges they are.

    Raises:
        ModelError: No truth in the file, a list of edges under another name, an edge that the
            model has not.
        SpecError: A name that is no edge's.
    """
    misplaced = [key for key in case if key.startswith(TRUTHS)]
    if misplaced:
        raise ModelError(f"truth {misplaced[0]!r} stands in case.json; expected it in edges.json")
    known, found = frozenset(graph_of(adapter).names()), dict[str, frozenset[str]]()
    expected = "expected static_interpbench, weights_nonzero*, resample_* or zero_*"
    for name, listed in edges.items():
        if name.startswith(TRUTHS) and isinstance(listed, list):
            found[name] = frozenset(_edge(name, edge, known) for edge in cast("list[Any]", listed))
        elif name in KNOWN_TRUTHS:
            raise ModelError(f"truth {name!r} is {quoted(listed)}; expected a list of edges")
        elif name not in ALL_EDGES and _lists_edges(listed):
            raise ModelError(
                f"{quoted(name)} lists edges, and is no truth's name; {expected}{near_truth(name)}"
            )
    if edges and not found:
        raise ModelError(f"it has no truth; {expected} (found {clipped(', '.join(edges))})")
    return found


def _edge(truth: str, said: Any, known: frozenset[str]) -> str:
    name = Edge.parse(said).name
    if name not in known:
        raise ModelError(f"truth {truth!r} has {quoted(said)}, an edge that the model has not")
    return name


def _lists_edges(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    try:
        for each in cast("list[Any]", value):
            Edge.parse(each)
    except (SpecError, *MALFORMED):
        return False
    return True
