"""The graph in an answer: what a query returned as nodes, relationships and paths, for networkx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from graph_schema.errors import SpecError
from graph_schema.reports.graph_values import is_node, is_path, is_relationship

if TYPE_CHECKING:
    import networkx as nx

ENDS = ("sender", "receiver")


def answer_graph(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> nx.MultiDiGraph[str]:
    """The nodes and relationships of an answer, also those inside of paths and lists.

    A node goes by our own id (`node_id`, `circuit_id`, …), where the answer has it, and carries its
    properties and `labels`; a relationship carries its properties and `type`. Of an answer without
    any, columns `sender` and `receiver` are names of nodes, and the others what the edge carries.
    Edges of the same ends and `channel` are one.

    Raises:
        SpecError: The answer has rows, but neither of these.
    """
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    things = [thing for row in rows for cell in row for thing in _things(cell)]
    if things:
        _add_things(graph, things)
    elif set(ENDS) <= set(columns):
        for number, row in enumerate(rows):
            carried = dict(zip(columns, row, strict=True))
            sender, receiver = (str(carried.pop(end)) for end in ENDS)
            _add_edge(graph, sender, receiver, _key(carried.get("channel"), number), carried)
    elif rows:
        raise SpecError(
            "the answer holds no graph; return nodes and relationships themselves, as in "
            "MATCH (a)-[e:EDGE]->(b) RETURN a, e, b, or columns sender and receiver"
        )
    return graph


def _things(value: object) -> Iterator[Mapping[str, Any]]:
    """The nodes and relationships in a value."""
    if is_node(value) or is_relationship(value):
        yield value
    elif is_path(value):
        yield from (*value["nodes"], *value["relationships"])
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, object]", value).values():
            yield from _things(item)
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[object]", value):
            yield from _things(item)


def _add_things(graph: nx.MultiDiGraph[str], things: Sequence[Mapping[str, Any]]) -> None:
    names = {thing["id"]: _name(thing) for thing in things if is_node(thing)}
    for thing in things:
        if is_node(thing):
            carried = {**thing["properties"], "labels": list(thing["labels"])}
            graph.add_nodes_from([(names[thing["id"]], carried)])
        else:
            start, end = (str(names.get(thing[side], thing[side])) for side in ("start", "end"))
            carried = {**thing["properties"], "type": thing["type"]}
            _add_edge(graph, start, end, thing["id"], carried)


def _add_edge(
    graph: nx.MultiDiGraph[str], sender: str, receiver: str, key: str, carried: dict[str, Any]
) -> None:
    graph.add_edge(sender, receiver, key)
    graph.edges[sender, receiver, key].update(carried)


def _key(channel: object, row: int) -> str:
    """What tells an edge from others of the same ends: text, for a cell may be a list or a map."""
    return f"row {row}" if channel is None else str(channel)


def _name(node: Mapping[str, Any]) -> str:
    """Our own id of a node; the server's where the answer has none."""
    from graph_schema.store.vocabulary.data_model import KEYS

    for label in node["labels"]:
        if (found := node["properties"].get(KEYS.get(label, ""))) is not None:
            return str(found)
    return str(node["id"])
