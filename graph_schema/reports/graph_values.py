"""Nodes, relationships and paths of an answer, written as Cypher draws them.

The values are those of `graph_schema.store.user_cypher.values`: plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from graph_schema.json_text import json_text

NODE = {"id", "labels", "properties"}
RELATIONSHIP = {"id", "type", "start", "end", "properties"}
PATH = {"nodes", "relationships"}
LONGEST = 60

# What a reader knows a thing by; where it has one of these, the rest is left out.
TELLING = (
    *("name", "circuit_id", "channel", "score", "job_id", "run_id", "task_id", "sha256"),
    *("role", "motif", "nodes", "variable", "effect", "share", "similarity"),
    *("rung", "outcome", "state", "author", "text"),
)


def is_node(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is a node of an answer; a reader's own map with such keys may hold anything."""
    if not _is_map(value) or set(value) != NODE:
        return False
    labels = value["labels"]
    return isinstance(value["id"], str) and _is_list(labels, str) and _is_map(value["properties"])


def is_relationship(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is a relationship of an answer."""
    if not _is_map(value) or set(value) != RELATIONSHIP:
        return False
    texts = isinstance(value["id"], str) and isinstance(value["type"], str)
    ends = all(isinstance(value[end], str | None) for end in ("start", "end"))
    return texts and ends and _is_map(value["properties"])


def is_path(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is a path of an answer: nodes, and relationships between them."""
    if not _is_map(value) or set(value) != PATH:
        return False
    nodes, links = value["nodes"], value["relationships"]
    if not _is_list(nodes, Mapping) or not _is_list(links, Mapping):
        return False
    return all(map(is_node, nodes)) and all(map(is_relationship, links))


def graph_text(value: object) -> str | None:
    """`(:CircuitNode {name: "a0.h1"})`, `[:EDGE {…}]`, a path of both; None for anything else."""
    if is_node(value):
        return _node(value)
    if is_relationship(value):
        return _relationship(value)
    return _path(value) if is_path(value) else None


def _is_map(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) for name in cast("Mapping[object, Any]", value)
    )


def _is_list(value: object, kind: type) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    if not isinstance(value, list | tuple):
        return False
    return all(isinstance(item, kind) for item in cast("list[Any] | tuple[Any, ...]", value))


def _node(node: Mapping[str, Any]) -> str:
    labels = "".join(f":{label}" for label in node["labels"])
    return f"({_joined(labels, _properties(node['properties']))})"


def _relationship(link: Mapping[str, Any]) -> str:
    return f"[{_joined(':' + link['type'], _properties(link['properties']))}]"


def _path(path: Mapping[str, Any]) -> str:
    nodes: list[Mapping[str, Any]] = path["nodes"]
    links: list[Mapping[str, Any]] = path["relationships"]
    text = _node(nodes[0]) if nodes else ""
    for before, link, after in zip(nodes, links, nodes[1:], strict=False):
        forwards = link["start"] == before["id"]
        text += f"-{_relationship(link)}->" if forwards else f"<-{_relationship(link)}-"
        text += _node(after)
    return text


def _properties(properties: Mapping[str, Any]) -> str:
    shown = [name for name in TELLING if name in properties] or sorted(properties)
    return ", ".join(f"{name}: {_short(properties[name])}" for name in shown)


def _short(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else json_text(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _joined(head: str, properties: str) -> str:
    return f"{head} {{{properties}}}" if properties else head
