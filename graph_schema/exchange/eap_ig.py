"""The JSON of EAP-IG (Hanna et al. 2024, arXiv:2403.17806) and of the MIB benchmark's circuits.

`cfg` holds the sizes, `nodes` whether each is in the graph, `edges` score and membership of every
edge of the model. The sign is ours. A node's entry may also be a bare boolean, as older files have
it; an edge without score, or with NaN, is one that was not scored, and so is every edge where all
scores are 0. Scores without a circuit and a circuit without scores are both such files: MIB takes
either. What a file says of nodes and neurons is read in `levels`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.component import Channel, Component, Edge
from graph_schema.documents.method import ScoreKind
from graph_schema.errors import SpecError
from graph_schema.exchange.base import (
    Exchanged,
    ExchangeError,
    json_of,
    make_edge,
    number,
)
from graph_schema.exchange.levels import edge_scores, missing_neurons, node_note, without_scores
from graph_schema.models.layout import Layout
from graph_schema.printable import quoted

Json = dict[str, object]


def write_eap_ig(circuit: CircuitDocument, scores: Mapping[str, float] | None = None) -> str:
    """The circuit as EAP-IG's JSON.

    Args:
        circuit: Its model must be one of heads and MLPs.
        scores: Of all edges, by name, as the artifact has them; edges without one are written
            with score 0 and outside the graph.

    Raises:
        SpecError: It has neurons, features or positions, which the format has no names for.
    """
    check_whole(circuit)
    layout = Layout.of(circuit.model)
    for edge in circuit.edges:
        layout.check(Edge(edge.sender, edge.receiver, edge.channel))
    kept = {edge.name: edge.score or 0.0 for edge in circuit.edges}
    known = {**(scores or {}), **kept}
    used = {name for edge in circuit.edges for name in (edge.sender, edge.receiver)} | {"logits"}
    return json.dumps(
        {
            "cfg": cfg_of(layout, circuit.model.d_model),
            "nodes": {name: {"in_graph": name in used} for name in (*layout.senders, "logits")},
            "edges": {
                edge.name: {"score": known.get(edge.name, 0.0), "in_graph": edge.name in kept}
                for edge in layout.edges()
            },
        },
        allow_nan=False,
    )


def check_whole(circuit: CircuitDocument) -> None:
    """Refuse a circuit of parts or positions.

    Raises:
        SpecError: It has neurons, features or positions, which the format has no names for.
    """
    for name in circuit.nodes_in_order:
        part = Component.parse(name)
        if part.fine or part.position is not None:
            raise SpecError(
                f"EAP-IG's files hold heads and MLPs, and circuit {circuit.circuit_id[:12]} has "
                f"{name!r}; export it as neuronpedia, node-link, graphml or csv"
            )


def cfg_of(layout: Layout, d_model: int) -> Json:
    return {
        "n_layers": layout.n_layers,
        "n_heads": layout.n_heads,
        "parallel_attn_mlp": layout.parallel,
        "d_model": d_model,
    }


_SIZES = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp", "n_key_value_heads")


def sizes_of(cfg: object) -> dict[str, int | bool]:
    """The sizes that a file's `cfg` gives, of those that a model can be held to.

    Raises:
        ExchangeError: It is no object of them, or one is no whole number.
    """
    if not isinstance(cfg, Mapping):
        raise ExchangeError(f"cfg is {quoted(cfg)}; expected n_layers, n_heads and so on")
    fields = cast("Mapping[str, object]", cfg)
    found: dict[str, int | bool] = {}
    for key in _SIZES:
        size = fields.get(key)
        if size is None and key not in ("n_layers", "n_heads"):
            continue
        if not isinstance(size, int) or isinstance(size, bool):
            raise ExchangeError(f"cfg.{key} is {quoted(size)}; expected a whole number")
        found[key] = size
    parallel = fields.get("parallel_attn_mlp", False)
    if not isinstance(parallel, bool):
        raise ExchangeError(f"cfg.parallel_attn_mlp is {quoted(parallel)}; expected true or false")
    return found | {"parallel_attn_mlp": parallel}


def layout_of(sizes: Mapping[str, int | bool]) -> Layout:
    """The senders and receivers of a model of these sizes."""
    try:
        return Layout(sizes["n_layers"], sizes["n_heads"], bool(sizes["parallel_attn_mlp"]))
    except SpecError as error:
        raise ExchangeError(f"cfg: {error}") from error


def read_eap_ig(data: bytes, *, score_kind: ScoreKind = ScoreKind.ESTIMATE) -> Exchanged:
    """Read EAP-IG's or MIB's JSON.

    Raises:
        ExchangeError: Not JSON, a key missing, an edge the sizes do not allow, or a value of
            another type than EAP-IG writes there.
    """
    found = json_of(data)
    if not isinstance(found, dict):
        raise ExchangeError("the file is not a JSON object with cfg, nodes and edges")
    top = cast(Json, found)
    for key in ("cfg", "edges"):
        if key not in top:
            raise ExchangeError(f"the key {key!r} is missing; expected cfg, nodes and edges")
    sizes = sizes_of(top["cfg"])
    layout = layout_of(sizes)
    if not isinstance(top["edges"], dict):
        raise ExchangeError("edges is not an object of edge names")
    kept, given = _edges(cast(Json, top["edges"]), layout, score_kind)
    nodes = _nodes(top.get("nodes", {}), layout, sizes.get("d_model"))
    scores = edge_scores(given)
    return Exchanged(
        kept if scores else without_scores(kept),
        scores,
        layout,
        sizes=sizes,
        notes=node_note(layout, nodes.members, nodes.scores, kept, scores),
        unread=missing_neurons(nodes.neurons, kept),
    )


def _edges(
    entries: Json, layout: Layout, score_kind: ScoreKind
) -> tuple[tuple[CircuitEdge, ...], dict[str, float]]:
    """The edges of the circuit, and the score of every edge that has one."""
    kept: list[CircuitEdge] = []
    scores: dict[str, float] = {}
    named = set[str]()
    for name, body in entries.items():
        where = f"edges[{quoted(name)}]"
        if not isinstance(body, dict):
            raise ExchangeError(f"{where} is {quoted(body)}; expected score and in_graph")
        edge = _edge(name, layout, where)
        if edge.name in named:
            raise ExchangeError(f"{where}: edge {edge.name!r} comes twice, in two spellings")
        named.add(edge.name)
        fields = cast(Json, body)
        in_graph, score = _member(fields.get("in_graph", False), where), fields.get("score")
        if isinstance(score, float) and math.isnan(score) and not in_graph:
            score = None
        if score is not None:
            scores[edge.name] = number(score, f"{where}: score")
        if in_graph:
            ends = (edge.sender, edge.receiver, edge.channel)
            kept.append(make_edge(*ends, score, where, score_kind=score_kind))
    return tuple(kept), scores


def _edge(name: str, layout: Layout, where: str) -> Edge:
    try:
        edge = Edge.parse(name)
        layout.check(edge)
    except SpecError as error:
        raise ExchangeError(f"{where}: {error}") from error
    assert edge.channel in Channel
    return edge


@dataclass(frozen=True)
class _Nodes:
    """What a file says of the senders: membership, score and neurons, each as far as it does."""

    members: dict[str, bool] = field(default_factory=dict[str, bool])
    scores: dict[str, float] = field(default_factory=dict[str, float])
    neurons: dict[str, list[bool]] = field(default_factory=dict[str, "list[bool]"])


def _nodes(entries: object, layout: Layout, d_model: int | None) -> _Nodes:
    if not isinstance(entries, dict):
        raise ExchangeError(f"nodes is {quoted(entries)}; expected an object of node names")
    found, senders = _Nodes(), frozenset(layout.senders)
    for name, body in cast(Json, entries).items():
        if name not in senders:  # `logits`, which sends nothing
            continue
        where = f"nodes[{quoted(name)}]"
        if not isinstance(body, bool | dict):
            raise ExchangeError(f"{where} is {quoted(body)}; expected in_graph, true or false")
        fields: Json = {"in_graph": body} if isinstance(body, bool) else cast(Json, body)
        found.members[name] = _member(fields.get("in_graph", False), where)
        score = fields.get("score")
        if score is not None and not (isinstance(score, float) and math.isnan(score)):
            found.scores[name] = number(score, f"{where}: score")
        if (mask := fields.get("neurons")) is not None:
            found.neurons[name] = _mask(mask, d_model, where)
    return found


def _member(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ExchangeError(f"{where}: in_graph is {quoted(value)}; expected true or false")
    return value


def _mask(value: object, d_model: int | None, where: str) -> list[bool]:
    mask = cast("Sequence[object]", value) if isinstance(value, list) else ()
    # Of a model's own width: of masks that are cut short the rest is unknown.
    if not mask or (d_model is not None and len(mask) != d_model):
        long = "" if d_model is None else f", {d_model} long"
        raise ExchangeError(f"{where}: neurons is {quoted(value)}; expected a list{long}")
    # Not by `in (0, 1)` alone: 1.0 == True, and a list compares itself to both.
    if not all(isinstance(each, bool | int | float) and each in (0, 1) for each in mask):
        raise ExchangeError(f"{where}: neurons holds other than true and false")
    return [bool(each) for each in mask]
