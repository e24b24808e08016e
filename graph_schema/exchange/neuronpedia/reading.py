"""An attribution graph in Neuronpedia's JSON, as a circuit of one prompt.

Weights stay as they are: what a node adds to what another reads, in units of that one's activation.
What has no field of ours (ids, pins, settings, traces of queries and keys) is kept as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from graph_schema.documents import (
    CircuitEdge,
    Component,
    GraphScores,
    ModelDocument,
    NodeFigures,
    TracedPrompt,
    sha256_hex,
)
from graph_schema.documents.imported import MAX_FOREIGN
from graph_schema.errors import SpecError
from graph_schema.exchange.base import MAX_LABEL, Exchanged, ExchangeError, Group
from graph_schema.exchange.neuronpedia.examining import Examined, examined, shown
from graph_schema.exchange.neuronpedia.links import CHANNELS, edges_of
from graph_schema.exchange.neuronpedia.naming import COMPONENT, LOGIT, token_of
from graph_schema.exchange.neuronpedia.opening import opened

OURS = "circuit_atlas"
"""The key of `metadata` that our own files say more under."""
EFFECT = "effect"
"""The key of a node that our own files say its effect under."""
MAX_GROUP = 10_000
"""Characters kept of a supernode's name, as an annotation's text may have."""


_LINK_KEYS = {"source", "target", "weight", CHANNELS}


def read_neuronpedia(data: bytes) -> Exchanged:
    """Read a graph: every node a component at its position, every link an edge.

    Raises:
        ExchangeError: Not such a graph; the message has the first few complaints with their places
            (`check_graph` has them all).
    """
    found = examined(opened(data))
    if found.complaints.n:
        raise ExchangeError(f"the graph is not valid: {found.complaints.summary()}")
    if not found.links:
        raise ExchangeError("links: the graph has none; expected one or more")
    notes: list[str] = []
    edges = _edges(found)
    metadata, tokens = found.metadata, tuple(found.metadata["prompt_tokens"])
    groups = groups_of(found, notes)
    placed = any(Component.parse(name).position is not None for name in found.names.values())
    scores = scores_of_graph(found, notes) if placed else None
    foreign = _foreign(found, notes)
    return Exchanged(
        edges,
        {edge.name: edge.score for edge in edges if edge.score is not None},
        metadata=_said(metadata),
        notes=tuple(notes),
        nodes=tuple(_figures(found)),
        prompt=TracedPrompt(text=metadata["prompt"], tokens=tokens) if placed else None,
        graph_scores=scores,
        groups=groups,
        model=_model(found),
        foreign=foreign,
    )


def _said(metadata: Mapping[str, Any]) -> dict[str, str]:
    ours = metadata.get(OURS)
    said = cast("dict[str, object]", ours) if isinstance(ours, dict) else {}
    known = {key: value for key, value in said.items() if isinstance(value, str)}
    return {shown(key): shown(value) for key, value in known.items()}


def _edges(found: Examined) -> tuple[CircuitEdge, ...]:
    """Every link's edges; those of nodes that share a name add up."""
    edges: dict[str, CircuitEdge] = {}
    for number, link in enumerate(found.links):
        place = f"links[{number}]"
        ends = found.names[link["source"]], found.names[link["target"]]
        for edge in edges_of(link, ends, place):
            if edge.name in edges and not {*ends} & found.shared:
                raise ExchangeError(f"{place}: edge {edge.name} comes twice")
            if (before := edges.get(edge.name)) is not None:
                total = (before.score or 0.0) + (edge.score or 0.0)
                edge = edge.model_copy(update={"score": total})
            edges[edge.name] = edge
    return tuple(edges.values())


def _figures(found: Examined) -> list[NodeFigures]:
    """What the file says of each node, in its order; of several of one name the first's.

    A file of ours lists nodes of which nothing is known too: those are in their edges.
    """
    figures: dict[str, NodeFigures] = {}
    linked = {link[side] for link in found.links for side in ("source", "target")}
    for node in found.nodes:
        name = found.names[node["node_id"]]
        known = figures_of(node, name)
        bare = COMPONENT in node and node["node_id"] in linked and known == NodeFigures(name=name)
        if name not in figures and not bare:
            figures[name] = known
    return list(figures.values())


def figures_of(node: Mapping[str, Any], name: str) -> NodeFigures:
    """What a node of a file says of its component.

    `influence` is its effect, as it stands: of circuit-tracer's files a cumulative share, small for
    what matters most. A file of ours has the effect itself beside it, and a node without a label
    has its name for one.
    """
    label = node["clerp"].strip()[:MAX_LABEL]
    return NodeFigures(
        name=name,
        effect=_number(node.get(EFFECT, node.get("influence"))),
        activation=_number(node.get("activation")),
        label=None if label in ("", node.get(COMPONENT)) else label,
        token=token_of(node),
        probability=_number(node.get("token_prob")) if node["feature_type"] == LOGIT else None,
    )


def _number(value: object) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(cast("float", value)) if plain else None


def groups_of(found: Examined, notes: list[str]) -> tuple[Group, ...]:
    """Supernodes by the names of their members, which files give by either of a node's ids."""
    names = by_either_id(found.nodes, found.names)
    groups: list[Group] = []
    for label, *ids in found.graph["qParams"].get("supernodes", ()):
        members = tuple(dict.fromkeys(names[each] for each in ids if each in names))
        if len(away := [each for each in ids if each not in names]):
            notes.append(
                f"supernode {shown(label, 80)!r}: {len(away):,} of {len(ids):,} members are no "
                "nodes of the file"
            )
        if members:
            groups.append(Group(group_label(label), members))
    return tuple(groups)


def by_either_id(nodes: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    """Names by `node_id` and by `jsNodeId`: pins and supernodes go by the one or the other."""
    found = dict(names)
    for node in nodes:
        found.setdefault(node["jsNodeId"], names[node["node_id"]])
    return found


def group_label(said: str) -> str:
    """A supernode's name as an annotation's text, which is never empty."""
    return said.strip()[:MAX_GROUP] or "(no name)"


def scores_of_graph(found: Examined, notes: list[str]) -> GraphScores | None:
    """Replacement and completeness, or a note of why there is neither."""
    try:
        return found.scores()
    except SpecError as error:
        notes.append(f"no replacement and completeness: {error}")
        return None


def _model(found: Examined) -> ModelDocument:
    """The model that the file names: by our fingerprint, else by its scan and feature sets.

    Features of two source sets of one scan are not the same, so they are of two such models.
    """
    scan, said = found.metadata["scan"], _said(found.metadata).get("fingerprint", "")
    details = found.metadata.get("feature_details") or {}
    sets = [str(details[key]) for key in sorted(details) if key.endswith("source_set")]
    fingerprint = sha256_hex("\n".join(["neuronpedia scan", scan, *sets]))
    if len(said) in (40, 64) and set(said) <= set("0123456789abcdef"):
        fingerprint = said
    parts = [Component.parse(name) for name in found.names.values()]
    deepest = max((part.layer for part in parts if part.layer is not None), default=0)
    return ModelDocument.named(shown(scan) or "(no scan)", fingerprint, deepest + 1)


def _foreign(found: Examined, notes: list[str]) -> str | None:
    """The file as it stands, links aside; `names` are those of its nodes, in their order.

    Links that cannot be told from our edges, of nodes that share a name or with more than a weight,
    are kept too, each with its place.
    """
    kept = {key: value for key, value in found.graph.items() if key != "links"}
    kept["names"] = list(found.names.values())
    kept["links"] = [
        (place, link)
        for place, link in enumerate(found.links)
        if not link.keys() <= _LINK_KEYS
        or {found.names[link["source"]], found.names[link["target"]]} & found.shared
    ]
    text = json.dumps(kept, separators=(",", ":"))
    if len(text) <= MAX_FOREIGN:
        return text
    notes.append(
        f"what the file says beyond its graph is {len(text):,} characters long and is not kept: an "
        "export says it by our own words"
    )
    return None
