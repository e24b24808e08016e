"""What a query returns, as plain values.

A node is `{"id", "labels", "properties"}`, a relationship `{"id", "type", "start", "end",
"properties"}`, a path `{"nodes", "relationships"}`. Ids tell things apart within one answer; they
are the server's own and change, so keep our ids (`circuit_id`, `node_id`) instead.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time


def plain(value: Any) -> Any:
    """The value of JSON's kinds; what is of no such kind (a date, a duration) becomes a string.

    Numbers stay numbers: also NaN and infinity, which `json_text` writes as null.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Node):
        return {
            "id": value.element_id,
            "labels": sorted(value.labels),
            "properties": _properties(value),
        }
    if isinstance(value, Relationship):
        return {
            "id": value.element_id,
            "type": value.type,
            # A node whose properties the answer does not have is falsy.
            "start": None if value.start_node is None else value.start_node.element_id,
            "end": None if value.end_node is None else value.end_node.element_id,
            "properties": _properties(value),
        }
    if isinstance(value, Path):
        return {
            "nodes": [plain(node) for node in value.nodes],
            "relationships": [plain(step) for step in value.relationships],
        }
    if isinstance(value, Date | DateTime | Time | Duration):
        return value.iso_format()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Point):
        return {"srid": value.srid, "coordinates": list(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


def _properties(thing: Node | Relationship) -> dict[str, Any]:
    return {name: plain(thing[name]) for name in sorted(thing)}
