"""The JSON of EAP-IG (Hanna et al. 2024, arXiv:2403.17806) and of the MIB benchmark's circuits.

`cfg` holds the sizes, `nodes` whether each is in the graph, `edges` score and membership of every
edge of the model. The sign is ours. A node's entry may also be a bare boolean, as older files have
it; an edge without score, or with NaN, is one that was not scored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import cast

from graph_schema.documents.circuit import CircuitDocument, CircuitEdge
from graph_schema.documents.component import Channel, Edge
from graph_schema.documents.method import ScoreKind
from graph_schema.errors import SpecError
from graph_schema.exchange.base import (
    Exchanged,
    ExchangeError,
    json_of,
    make_edge,
    number,
)
from graph_schema.models.layout import Layout
from graph_schema.printable import quoted

Json = dict[str, object]


def write_eap_ig(circuit: CircuitDocument, scores: Mapping[str, float] | None = None) -> str:
    """The circuit as EAP-IG's JSON.

    Args:
        circuit: Its model must be one of heads and MLPs.
        scores: Of all edges, by name, as the artifact has them; edges without one are written
            with score 0 and outside the graph.
    """
    layout = Layout.of(circuit.model)
    for edge in circuit.edges:
        layout.check(Edge(edge.sender, edge.receiver, edge.channel))
    kept = {edge.name: edge.score for edge in circuit.edges}
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


def cfg_of(layout: Layout, d_model: int) -> Json:
    return {
        "n_layers": layout.n_layers,
        "n_heads": layout.n_heads,
        "parallel_attn_mlp": layout.parallel,
        "d_model": d_model,
    }


def layout_of(cfg: object) -> Layout:
    """The sizes that a file's `cfg` gives."""
    if not isinstance(cfg, Mapping):
        raise ExchangeError(f"cfg is {quoted(cfg)}; expected n_layers, n_heads and so on")
    fields = cast("Mapping[str, object]", cfg)
    sizes: list[int] = []
    for key in ("n_layers", "n_heads"):
        size = fields.get(key)
        if not isinstance(size, int) or isinstance(size, bool):
            raise ExchangeError(f"cfg.{key} is {quoted(size)}; expected a whole number")
        sizes.append(size)
    parallel = fields.get("parallel_attn_mlp", False)
    if not isinstance(parallel, bool):
        raise ExchangeError(f"cfg.parallel_attn_mlp is {quoted(parallel)}; expected true or false")
    try:
        return Layout(sizes[0], sizes[1], parallel)
    except SpecError as error:
        raise ExchangeError(f"cfg: {error}") from error


def read_eap_ig(data: bytes, *, score_kind: ScoreKind = ScoreKind.ESTIMATE) -> Exchanged:
    """Read EAP-IG's or MIB's JSON.

    Raises:
        ExchangeError: Not JSON, a key missing, an edge the sizes do not allow, or a kept edge
            without a score.
    """
    found = json_of(data)
    if not isinstance(found, dict):
        raise ExchangeError("the file is not a JSON object with cfg, nodes and edges")
    top = cast(Json, found)
    for key in ("cfg", "edges"):
        if key not in top:
            raise ExchangeError(f"the key {key!r} is missing; expected cfg, nodes and edges")
    layout = layout_of(top["cfg"])
    if not isinstance(top["edges"], dict):
        raise ExchangeError("edges is not an object of edge names")
    kept: list[CircuitEdge] = []
    scores: dict[str, float] = {}
    named = set[str]()
    for name, body in cast(Json, top["edges"]).items():
        where = f"edges[{quoted(name)}]"
        if not isinstance(body, dict):
            raise ExchangeError(f"{where} is {quoted(body)}; expected score and in_graph")
        edge = _edge(name, layout, where)
        if edge.name in named:
            raise ExchangeError(f"{where}: edge {edge.name!r} comes twice, in two spellings")
        named.add(edge.name)
        fields = cast(Json, body)
        in_graph = fields.get("in_graph", False)
        if not isinstance(in_graph, bool):
            raise ExchangeError(f"{where}: in_graph is {quoted(in_graph)}; expected true or false")
        score = fields.get("score")
        scored = score is not None and not (isinstance(score, float) and math.isnan(score))
        if scored:
            scores[edge.name] = number(score, f"{where}: score")
        if in_graph:
            if not scored:
                raise ExchangeError(
                    f"{where} is in the graph and has no score: {quoted(score)}; expected a number"
                )
            kept.append(
                make_edge(
                    edge.sender, edge.receiver, edge.channel, score, where, score_kind=score_kind
                )
            )
    return Exchanged(tuple(kept), scores, layout)


def _edge(name: str, layout: Layout, where: str) -> Edge:
    try:
        edge = Edge.parse(name)
        layout.check(edge)
    except SpecError as error:
        raise ExchangeError(f"{where}: {error}") from error
    assert edge.channel in Channel
    return edge
