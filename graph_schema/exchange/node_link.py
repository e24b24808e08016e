"""A circuit as a networkx graph, and as its node-link JSON and GraphML.

The graph is a directed multigraph, as a head can read one sender on several channels; an edge's key
is its channel. Nodes carry kind, layer, head, index, position and depth, their figures and what
they are called (`label`); edges score, score_kind, stability and exact; the graph what is known
about the circuit, and an attribution graph's prompt. What is unknown is left out.
"""

from __future__ import annotations

import io
import json
import warnings
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any, cast

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.component import Component
from graph_schema.documents.method import ScoreKind
from graph_schema.exchange.base import (
    MAX_SAID,
    Exchanged,
    ExchangeError,
    json_of,
    make_edge,
    metadata_of,
    scores_of,
    text_of,
    without_repeats,
)
from graph_schema.exchange.figures import (
    PROMPT_FIELDS,
    figures_in,
    prompt_fields,
    read_prompt,
)
from graph_schema.printable import clipped, printable, quoted

if TYPE_CHECKING:
    import networkx

    Graph = networkx.MultiDiGraph[str]


def to_networkx(circuit: CircuitDocument) -> Graph:
    """The circuit as a `networkx.MultiDiGraph`."""
    import networkx

    graph: Graph = networkx.MultiDiGraph()
    graph.graph.update(metadata_of(circuit))
    graph.graph.update(prompt_fields(circuit))
    parts = [Component.parse(name) for name in circuit.node_names]
    n_layers = circuit.model.n_layers
    figures = {node.name: node for node in circuit.nodes}
    for part in sorted(parts, key=lambda part: part.place(n_layers)):
        known: dict[str, Any] = {"kind": part.kind.value, "depth": part.depth(n_layers)}
        for field in ("layer", "head", "index", "position"):
            known |= {} if (value := getattr(part, field)) is None else {field: value}
        if (found := figures.get(part.name)) is not None:
            known |= found.model_dump(exclude={"name"}, exclude_none=True)
        graph.add_node(part.name, **known)
    for edge in circuit.edges:
        known: dict[str, Any] = {"channel": edge.channel.value}
        known |= {} if edge.score is None else {"score": edge.score}
        known |= {} if edge.score_kind is None else {"score_kind": edge.score_kind.value}
        known |= {} if edge.stability is None else {"stability": edge.stability}
        known |= {} if edge.exact is None else {"exact": edge.exact}
        graph.add_edge(edge.sender, edge.receiver, key=edge.channel.value, **known)
    return graph


def from_networkx(graph: Graph) -> Exchanged:
    """Read a graph whose edges carry their channel and, where they have one, a score.

    Raises:
        ExchangeError: One has no channel, or a node's name is none of a component.
    """
    edges: list[CircuitEdge] = []
    for sender, receiver, data in graph.edges(data=True):
        fields: dict[str, Any] = data
        where = clipped(printable(f"edge {sender}->{receiver}"))
        if "channel" not in fields:
            raise ExchangeError(f"{where} has no channel")
        edges.append(
            make_edge(
                str(sender),
                str(receiver),
                str(fields["channel"]),
                fields.get("score"),
                where,
                score_kind=str(fields.get("score_kind", ScoreKind.ESTIMATE.value)),
                stability=fields.get("stability"),
                exact=fields.get("exact"),
            )
        )
    kept = without_repeats(edges)
    metadata = {
        str(key): clipped(printable(str(value)), MAX_SAID)
        for key, value in graph.graph.items()
        if isinstance(value, str | int | float) and key not in PROMPT_FIELDS
    }
    nodes = tuple(figures_in(str(name), fields) for name, fields in graph.nodes(data=True))
    prompt, scores = read_prompt(graph.graph)
    return Exchanged(
        kept,
        scores_of(kept),
        metadata=metadata,
        nodes=tuple(node for node in nodes if node is not None),
        prompt=prompt,
        graph_scores=scores,
    )


def write_node_link(circuit: CircuitDocument) -> str:
    """The circuit as networkx's node-link JSON, edges under `edges`."""
    import networkx

    data = networkx.node_link_data(to_networkx(circuit), edges="edges")
    return json.dumps(data, allow_nan=False)


def read_node_link(data: bytes) -> Exchanged:
    """Read node-link JSON, with its edges under `edges` or, as older networkx has it, `links`.

    Raises:
        ExchangeError: Not such JSON, or not a circuit's.
    """
    import networkx

    found = json_of(data)
    if not isinstance(found, dict) or not {"edges", "links"} & found.keys():
        raise ExchangeError("the file is not node-link JSON: expected nodes and edges")
    fields = cast("dict[str, Any]", found)
    if not fields.get("directed") or not fields.get("multigraph"):
        raise ExchangeError("the file is not node-link JSON of a directed multigraph")
    if not isinstance(said := fields.get("graph", {}), dict):
        raise ExchangeError(f"graph is {quoted(said)}; expected an object of what is known")
    try:
        graph = networkx.node_link_graph(fields, edges="edges" if "edges" in fields else "links")
    except (KeyError, TypeError, ValueError, AttributeError, networkx.NetworkXError) as error:
        raise ExchangeError(f"the file is not node-link JSON: {quoted(error)}") from error
    return from_networkx(cast("Graph", graph))


def write_graphml(circuit: CircuitDocument) -> str:
    """The circuit as GraphML."""
    import networkx

    out = io.BytesIO()
    graph = to_networkx(circuit)
    for fields in (graph.graph, *(each for _, each in graph.nodes(data=True))):
        # XML has no room for characters that steer.
        fields.update({k: printable(v) for k, v in fields.items() if isinstance(v, str)})
    networkx.write_graphml_xml(graph, out)
    return out.getvalue().decode()


def read_graphml(data: bytes) -> Exchanged:
    """Read GraphML.

    Raises:
        ExchangeError: Not GraphML, with a document type (entities could grow without bound), or
            not a circuit's.
    """
    import networkx

    text = text_of(data)
    if "<!DOCTYPE" in text.upper():
        raise ExchangeError("the file has a document type; expected plain GraphML")
    try:
        with warnings.catch_warnings():
            # networkx only warns of a key it does not know.
            warnings.simplefilter("error")
            graph = networkx.parse_graphml(text, force_multigraph=True)
    except (
        Warning,
        ElementTree.ParseError,
        networkx.NetworkXError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise ExchangeError(f"the file is not GraphML: {clipped(printable(str(error)))}") from error
    if not graph.is_directed():
        raise ExchangeError("the file's graph is not directed")
    for key in ("node_default", "edge_default"):
        graph.graph.pop(key, None)  # networkx's own
    return from_networkx(cast("Graph", graph))
