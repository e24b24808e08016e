"""A circuit as Neuronpedia's JSON: one that came from such a file as it was, others by our words.

Of a circuit whose nodes stand for all positions, every node stands at position 0 of a prompt of
one token, "(all positions)". Weights are our scores. Nodes carry their component and effect, links
of which a weight does not say all their edges: further keys, which the published schema allows and
our reader goes by.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from graph_schema.documents import (
    Annotation,
    Channel,
    CircuitDocument,
    CircuitEdge,
    CircuitMethod,
    Component,
    ComponentKind,
    ExchangeFormat,
    NodeFigures,
    ScoreKind,
    Trace,
)
from graph_schema.exchange.base import metadata_of
from graph_schema.exchange.neuronpedia.links import CHANNELS
from graph_schema.exchange.neuronpedia.naming import node_of
from graph_schema.exchange.neuronpedia.reading import (
    EFFECT,
    OURS,
    by_either_id,
    figures_of,
    group_label,
)

ALL_POSITIONS = "(all positions)"
_LARGEST = sys.float_info.max


def write_neuronpedia(circuit: CircuitDocument, remarks: Sequence[Annotation] = ()) -> str:
    """The circuit as a graph file of the published schema.

    Args:
        circuit: What to write.
        remarks: What people wrote on its nodes: labels become `clerp`, groups supernodes.
    """
    file = circuit.imported
    if file is not None and file.format is ExchangeFormat.NEURONPEDIA and file.foreign:
        graph, names = _as_it_came(circuit, file.foreign)
    else:
        graph, names = _anew(circuit)
    _say_remarks(graph, names, remarks)
    return json.dumps(graph, allow_nan=False)


def _as_it_came(circuit: CircuitDocument, foreign: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The file that the circuit came from, with what has changed since, and its nodes' names.

    Of a circuit chosen by the file's scores just the nodes that it has.
    """
    graph: dict[str, Any] = json.loads(foreign)
    pairs = list(zip(graph["nodes"], graph.pop("names"), strict=True))
    if circuit.selection is not None:
        kept = {end for edge in circuit.edges for end in (edge.sender, edge.receiver)}
        pairs = [(node, name) for node, name in pairs if name in kept]
    now = {node.name: node for node in circuit.nodes}
    before: dict[str, NodeFigures] = {}
    for node, name in pairs:
        _update(node, before.setdefault(name, figures_of(node, name)), now.get(name))
    graph["nodes"] = [node for node, _ in pairs]
    names = {node["node_id"]: name for node, name in pairs}
    own: list[tuple[int, dict[str, Any]]] = [
        (place, link)
        for place, link in graph.pop("links")
        if link["source"] in names and link["target"] in names
    ]
    said = {(names[link["source"]], names[link["target"]]) for _, link in own}
    edges = (edge for edge in circuit.edges if (edge.sender, edge.receiver) not in said)
    links = graph["links"] = _links(edges, _first_ids(names))
    for place, link in own:
        links.insert(place, link)
    return graph, names


def _first_ids(names: Mapping[str, str]) -> dict[str, str]:
    """The id of each name; of several nodes of one name the first's."""
    found: dict[str, str] = {}
    for node_id, name in names.items():
        found.setdefault(name, node_id)
    return found


def _update(node: dict[str, Any], before: NodeFigures, now: NodeFigures | None) -> None:
    """Say of a node what is known now and was not, or otherwise, in its file."""
    if now is None:
        return
    if now.label != before.label:
        node["clerp"] = now.label or ""
    fields = {"effect": "influence", "activation": "activation", "probability": "token_prob"}
    for own, theirs in fields.items():
        if getattr(now, own) != getattr(before, own):
            node[theirs] = getattr(now, own)


def _anew(circuit: CircuitDocument) -> tuple[dict[str, Any], dict[str, str]]:
    n_layers, figures = circuit.model.n_layers, {node.name: node for node in circuit.nodes}
    ends = {end for edge in circuit.edges for end in (edge.sender, edge.receiver)}
    parts = sorted(map(Component.parse, ends | figures.keys()), key=lambda p: p.place(n_layers))
    influence = _influence(circuit.nodes)
    nodes: list[dict[str, Any]] = []
    for part in parts:
        known = figures.get(part.name) or NodeFigures(name=part.name)
        node = node_of(part.name, n_layers, known.token)
        node["clerp"] = known.label or part.name
        if known.effect is not None:
            node |= {"influence": influence[part.name], EFFECT: known.effect}
        if known.activation is not None:
            node["activation"] = known.activation
        if part.kind is ComponentKind.LOGITS:
            node["is_target_logit"] = True
            node |= {} if known.probability is None else {"token_prob": known.probability}
        nodes.append(node)
    names = {node["node_id"]: part.name for node, part in zip(nodes, parts, strict=True)}
    last = max((part.position for part in parts if part.position is not None), default=None)
    graph = {
        "metadata": _metadata(circuit, last),
        "qParams": {
            "linkType": "both",
            "pinnedIds": [],
            "clickedId": "",
            "supernodes": [],
            "sg_pos": "",
        },
        "nodes": nodes,
        "links": _links(circuit.edges, _first_ids(names)),
    }
    return graph, names


def _metadata(circuit: CircuitDocument, last: int | None) -> dict[str, Any]:
    """What the file says of itself; `last` is the last position that a node has."""
    prompt = circuit.prompt
    tokens = [ALL_POSITIONS] if prompt is None and last is None else []
    if prompt is not None:
        tokens = list(prompt.tokens)
    tokens += [""] * ((last or 0) + 1 - len(tokens))
    words = "-".join([circuit.task or "graph", circuit.circuit_id[:12]])
    return {
        "slug": re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-"),
        "scan": circuit.model.name,
        "prompt_tokens": tokens,
        "prompt": tokens[0] if prompt is None else prompt.text,
        "schema_version": 1,
        "info": {"generator": {"name": "circuit-atlas", "version": _own_version()}},
        **_settings(circuit.method),
        OURS: metadata_of(circuit),
    }


def _settings(method: CircuitMethod) -> dict[str, Any]:
    """How a traced graph was made and pruned, by circuit-tracer's words."""
    if not isinstance(method, Trace):
        return {}
    made = ("max_n_logits", "desired_logit_prob", "max_feature_nodes")
    return {
        "generation_settings": {name: getattr(method, name) for name in made},
        "pruning_settings": {
            "node_threshold": method.node_threshold,
            "edge_threshold": method.edge_threshold,
        },
    }


def _own_version() -> str:
    try:
        return version("circuit-atlas")
    except PackageNotFoundError:  # run from its source
        return "unknown"


def _influence(nodes: Sequence[NodeFigures]) -> dict[str, float]:
    """The share of all |effect| of the nodes with as much as each, as circuit-tracer writes it."""
    from graph_schema.attribution_graphs import cumulative_shares  # loads scipy

    known = [node for node in nodes if node.effect is not None]
    effects = np.array([abs(node.effect or 0.0) for node in known], dtype=np.float64)
    shares = cumulative_shares(effects).tolist()
    return {node.name: share for node, share in zip(known, shares, strict=True)}


def _links(edges: Iterable[CircuitEdge], ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """A link a pair of nodes; its edges under `channels` where a weight does not say them."""
    between: dict[tuple[str, str], list[CircuitEdge]] = {}
    for edge in edges:
        between.setdefault((edge.sender, edge.receiver), []).append(edge)
    links: list[dict[str, Any]] = []
    for (sender, receiver), held in between.items():
        link: dict[str, Any] = {
            "source": ids[sender],
            "target": ids[receiver],
            "weight": _total(edge.score or 0.0 for edge in held),
        }
        if len(held) > 1 or not _plain(held[0]):
            link[CHANNELS] = [
                [edge.channel.value, edge.score, edge.score_kind, edge.stability, edge.exact]
                for edge in held
            ]
        links.append(link)
    return links


def _total(scores: Iterable[float]) -> float:
    """Their sum, the largest number of its sign where that is beyond all."""
    return max(-_LARGEST, min(_LARGEST, sum(scores)))


def _plain(edge: CircuitEdge) -> bool:
    """Whether a link without more is read as this edge."""
    kind = edge.score_kind is ScoreKind.ESTIMATE
    figures = edge.stability is not None or edge.exact is not None
    return edge.channel is Channel.R and kind and not figures


def _say_remarks(
    graph: dict[str, Any], names: Mapping[str, str], remarks: Sequence[Annotation]
) -> None:
    """Put labels and groups into the file, as far as it does not say them already."""
    ids = _first_ids(names)
    nodes = {node["node_id"]: node for node in graph["nodes"]}
    either = by_either_id(graph["nodes"], names)
    supernodes: list[list[str]] = graph["qParams"].get("supernodes", [])
    there = {
        (group_label(label), frozenset(either[each] for each in members if each in either))
        for label, *members in supernodes
    }
    for remark in remarks:
        members = [each for each in (remark.component, *remark.also) if each in ids]
        if remark.kind == "label" and remark.component in ids:
            nodes[ids[remark.component]]["clerp"] = remark.text
        elif remark.kind == "group" and members and (remark.text, frozenset(members)) not in there:
            supernodes = [*supernodes, [remark.text, *(ids[each] for each in members)]]
            graph["qParams"]["supernodes"] = supernodes
