"""The graph in an answer: what a query returned as nodes, relationships and paths, for networkx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from graph_schema.errors import SpecError
from graph_schema.reports.graph_values import NODE, PATH, RELATIONSHIP

if TYPE_CHECKING:
    import networkx as nx

ENDS = ("sender", "receiver")


def answer_graph(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> nx.MultiDiGraph[str]:
    """The nodes and relationships of an answer, also those inside of paths and lists.

    A node goes by our own id (`node_id`, `circuit_id`, …), where the answer has it, and carries its
    labels and properties; a relationship carries its type and properties. Of an answer without any,
    columns `sender` and `receiver` are names of nodes, and the other columns what the edge carries.

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
            _add_edge(graph, sender, receiver, carried.get("channel", number), carried)
    elif rows:
        raise SpecError(
            "the answer holds no graph; return nodes and relationships themselves, as in "
            "MATCH (a)-[e:EDGE]->(b) RETURN a, e, b, or columns sender and receiver"
        )
    return graph


def _things(value: object) -> Iterator[Mapping[str, Any]]:
    """The nodes and relationships in a value."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        keys = set(found)
        if keys in (NODE, RELATIONSHIP):
            yield found
        elif keys == PATH:
            yield from (*found["nodes"], *found["relationships"])
        else:
            for item in found.values():
                yield from _things(item)
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[object]", value):
            yield from _things(item)


def _add_things(graph: nx.MultiDiGraph[str], things: Sequence[Mapping[str, Any]]) -> None:
    names = {thing["id"]: _name(thing) for thing in things if set(thing) == NODE}
    for thing in things:
        if set(thing) == NODE:
            carried = {"labels": thing["labels"], **thing["properties"]}
            graph.add_nodes_from([(names[thing["id"]], carried)])
        else:
            start, end = (str(names.get(thing[side], thing[side])) for side in ("start", "end"))
            carried = {"type": thing["type"], **thing["properties"]}
            _add_edge(graph, start, end, thing["id"], carried)


def _add_edge(
    graph: nx.MultiDiGraph[str], sender: str, receiver: str, key: Any, carried: dict[str, Any]
) -> None:
    graph.add_edge(sender, receiver, key)
    graph.edges[sender, receiver, key].update(carried)


def _name(node: Mapping[str, Any]) -> str:
    """Our own id of a node; the server's where the answer has none."""
    from graph_schema.store.vocabulary.data_model import KEYS

    for label in node["labels"]:
        if (found := node["properties"].get(KEYS.get(label, ""))) is not None:
            return str(found)
    return str(node["id"])
