"""A graph file's bytes as plain values, bounded before they become any."""

from __future__ import annotations

from typing import cast

from graph_schema.exchange.base import ExchangeError, json_of

MAX_NODES = 100_000
MAX_LINKS = 1_000_000
_MAX_OBJECTS = 3 * MAX_NODES + MAX_LINKS
"""Nodes, links, what was pruned and what else a file says of itself."""
_MAX_VALUES = 30 * MAX_NODES + 4 * MAX_LINKS
_HINT = (
    f" ({MAX_NODES:,} nodes and {MAX_LINKS:,} links): prune the graph with the tool that made it"
)


def opened(data: bytes) -> dict[str, object]:
    """The object that the file is.

    Raises:
        ExchangeError: Too large, not JSON, or no object.
    """
    found = json_of(data, max_objects=_MAX_OBJECTS, max_values=_MAX_VALUES, hint=_HINT)
    if not isinstance(found, dict):
        raise ExchangeError("the file is not a graph: expected an object with nodes and links")
    return cast("dict[str, object]", found)


def is_graph(found: object) -> bool:
    """Whether a JSON value looks like this format: node-link files have no `qParams`."""
    return isinstance(found, dict) and {"metadata", "qParams", "nodes", "links"} <= found.keys()
