"""The edges that a link stands for: one of the residual channel, or those that our files list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from graph_schema.documents import CircuitEdge
from graph_schema.exchange.base import ExchangeError, make_edge

CHANNELS = "channels"
"""The key of a link that our own files say its edges under, where there is more than a weight."""


def edges_of(link: Mapping[str, Any], ends: tuple[str, str], place: str) -> list[CircuitEdge]:
    """The edges of a link between two of our names.

    Raises:
        ExchangeError: It says edges that are none; the message has `place`.
    """
    said = link.get(CHANNELS)
    if said is None:
        return [make_edge(*ends, "r", link["weight"], place)]
    if not isinstance(said, list):
        raise ExchangeError(f"{place}.{CHANNELS} is no list")
    edges: list[CircuitEdge] = []
    for each in cast("list[object]", said):
        if not isinstance(each, list) or len(cast("list[object]", each)) not in (4, 5):
            raise ExchangeError(
                f"{place}.{CHANNELS}: expected [channel, score, kind, stability, exact] each"
            )
        channel, score, kind, stability, *exact = cast("list[object]", each)
        edges.append(
            make_edge(
                *ends,
                str(channel),
                score,
                place,
                score_kind=str(kind),
                stability=stability,
                exact=exact[0] if exact else None,
            )
        )
    return edges
