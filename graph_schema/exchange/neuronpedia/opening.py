"""A graph file's bytes as plain values, bounded before they become any.

A JSON of 30 MB can hold ten million empty objects, which take gigabytes once read: brackets and
commas are counted in the bytes first.
"""

from __future__ import annotations

from typing import cast

from graph_schema.exchange.base import ExchangeError, json_of

MAX_NODES = 100_000
MAX_LINKS = 1_000_000
MAX_OBJECTS = 3 * MAX_NODES + MAX_LINKS
"""Nodes, links, what was pruned and what else a file says of itself."""
MAX_VALUES = 30 * MAX_NODES + 4 * MAX_LINKS
"""By commas; those within labels count too."""


def opened(data: bytes) -> dict[str, object]:
    """The object that the file is.

    Raises:
        ExchangeError: Too large, not JSON, or no object.
    """
    for what, found, most in (
        ("objects and lists", data.count(b"{") + data.count(b"["), MAX_OBJECTS),
        ("values", data.count(b","), MAX_VALUES),
    ):
        if found > most:
            raise ExchangeError(
                f"the file holds some {found:,} {what}; expected at most {most:,} ({MAX_NODES:,} "
                f"nodes and {MAX_LINKS:,} links): prune the graph with the tool that made it"
            )
    found = json_of(data)
    if not isinstance(found, dict):
        raise ExchangeError("the file is not a graph: expected an object with nodes and links")
    return cast("dict[str, object]", found)


def is_graph(found: object) -> bool:
    """Whether a JSON value looks like this format: node-link files have no `qParams`."""
    return isinstance(found, dict) and {"metadata", "qParams", "nodes", "links"} <= found.keys()
