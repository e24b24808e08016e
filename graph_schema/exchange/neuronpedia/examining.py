"""A graph file looked at whole: what is wrong with it, and its nodes by our names.

Reader and validator both go by this, so that what is valid can be imported and what cannot is told
by every place that is in the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np

from graph_schema.documents import Channel, GraphScores
from graph_schema.documents.wiring import check_names, check_positions
from graph_schema.errors import NumericsError, SpecError
from graph_schema.exchange.neuronpedia.links import CHANNELS, edges_of
from graph_schema.exchange.neuronpedia.naming import (
    COMPONENT,
    EMBEDDING,
    ERRORS,
    FEATURE,
    LOGIT,
    LORSA,
    NamingError,
    name_of,
)
from graph_schema.exchange.neuronpedia.opening import MAX_LINKS, MAX_NODES
from graph_schema.exchange.neuronpedia.shapes import GRAPH, Complaints, check_shape, kind_of
from graph_schema.printable import clipped, printable, quoted

_ONE_EACH = (FEATURE, LORSA, *ERRORS, EMBEDDING, LOGIT)
"""Types of which no two nodes are one component; biases of one, and what is unknown, may be."""
_LAST = 2**31
"""More layers than any model has: where logits stand, while the model's are not known."""


ROUNDING = 1e-3
"""How far a probability may lie beyond 0 and 1: tools write what half precision made of it."""


@dataclass(frozen=True)
class Examined:
    """A file of this format.

    Attributes:
        graph: The file's object.
        complaints: What is wrong with it; where there are any, the rest is as far as it is right.
        names: Each node's name, by its id, in the file's order. Nodes of no feature (biases, what
            is unknown) that stand for one component share its name.
    """

    graph: Mapping[str, Any]
    complaints: Complaints
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.graph["metadata"]

    @property
    def nodes(self) -> Sequence[Mapping[str, Any]]:
        return self.graph["nodes"]

    @property
    def links(self) -> Sequence[Mapping[str, Any]]:
        return self.graph["links"]

    @cached_property
    def shared(self) -> frozenset[str]:
        """Names that several nodes have."""
        return frozenset(name for name, n in Counter(self.names.values()).items() if n > 1)

    def scores(self) -> GraphScores:
        """Replacement and completeness of the graph as it is.

        Raises:
            SpecError: It has none; the message says why.
        """
        # scipy is behind it, and every command that shows a table would load that.
        from graph_schema.attribution_graphs import AttributionGraph, graph_scores

        kinds = np.array([node["feature_type"] for node in self.nodes], dtype=object)
        place = {node["node_id"]: number for number, node in enumerate(self.nodes)}
        chances = [_chance(node) for node in self.nodes]
        try:
            graph = AttributionGraph.of_links(
                [place[link["source"]] for link in self.links],
                [place[link["target"]] for link in self.links],
                [float(link["weight"]) for link in self.links],
                chances,
                tokens=kinds == EMBEDDING,
                errors=np.isin(kinds, ERRORS),
                logits=kinds == LOGIT,
            )
            return graph_scores(graph, pruned=True)
        except NumericsError as error:
            raise SpecError(str(error)) from error


def examined(graph: Mapping[str, Any]) -> Examined:
    """The file's object, looked at: its shape first, then ids, names and links."""
    complaints = Complaints()
    for key, most in (("nodes", MAX_NODES), ("links", MAX_LINKS)):
        held = graph.get(key)
        if isinstance(held, list) and len(cast("list[object]", held)) > most:
            n = len(cast("list[object]", held))
            complaints.add(key, f"{n:,} are given; expected at most {most:,}")
            return Examined(graph, complaints)
    check_shape(graph, GRAPH, "", complaints)
    if complaints.n:
        return Examined(graph, complaints)
    found = Examined(graph, complaints, _names(graph, complaints))
    _check_links(found)
    _check_supernodes(found)
    return found


def version_of(metadata: Mapping[str, Any]) -> int:
    """The file's `schema_version`, 0 where it has none."""
    said: Any = metadata.get("schema_version")
    return int(said) if kind_of(said) == "integer" else 0


def _names(graph: Mapping[str, Any], complaints: Complaints) -> dict[str, str]:
    metadata = graph["metadata"]
    version, scan = version_of(metadata), metadata["scan"]
    n_tokens = len(metadata["prompt_tokens"])
    names: dict[str, str] = {}
    first: dict[str, str] = {}
    for number, node in enumerate(graph["nodes"]):
        place, own = f"nodes[{number}]", node["node_id"]
        if own in names:
            complaints.add(f"{place}.node_id", f"{quoted(own)} comes twice")
            continue
        if node["ctx_idx"] >= n_tokens:
            complaints.add(
                f"{place}.ctx_idx", f"{quoted(node['ctx_idx'])} is past the {n_tokens:,} tokens"
            )
        _check_chance(node, place, complaints)
        try:
            name = name_of(node, version=version, scan=scan)
        except NamingError as error:
            complaints.add(f"{place} ({quoted(own)})", str(error))
            continue
        names[own] = name
        if name in first and (node["feature_type"] in _ONE_EACH or COMPONENT in node):
            complaints.add(
                f"{place}.node_id", f"{quoted(own)} and {quoted(first[name])} are both {name}"
            )
        first.setdefault(name, own)
    return names


def _check_chance(node: Mapping[str, Any], place: str, complaints: Complaints) -> None:
    if (said := node.get("token_prob")) is None:
        return
    if kind_of(said) not in ("integer", "number"):
        complaints.add(f"{place}.token_prob", f"{quoted(said)} is no number")
    elif not -ROUNDING <= said <= 1 + ROUNDING:
        complaints.add(f"{place}.token_prob", f"{quoted(said)} is no probability")


def _check_links(found: Examined) -> None:
    known = {node["node_id"] for node in found.nodes}
    seen: set[tuple[str, str]] = set()
    for number, link in enumerate(found.links):
        place, ends = f"links[{number}]", (link["source"], link["target"])
        away = [side for side in ("source", "target") if link[side] not in known]
        for side in away:
            found.complaints.add(f"{place}.{side}", f"{quoted(link[side])} is no node of the file")
        if away:
            continue
        if ends in seen:
            found.complaints.add(place, f"{quoted(ends[0])} to {quoted(ends[1])} comes twice")
        seen.add(ends)
        if ends[0] in found.names and ends[1] in found.names:
            try:
                _check_edge(link, found.names[ends[0]], found.names[ends[1]], place)
            except SpecError as error:
                found.complaints.add(place, str(error).removeprefix(f"{place}: "))


def _check_edge(link: Mapping[str, Any], sender: str, receiver: str, place: str) -> None:
    """Refuse a link that no model has an edge for.

    Raises:
        SpecError: It is one, or lists edges that are none.
    """
    if CHANNELS in link:
        edges_of(link, (sender, receiver), place)
        return
    source, target = check_names(sender, receiver, Channel.R)
    check_positions(source, target, f"{sender}->{receiver}")
    if source.order(_LAST) >= target.order(_LAST):
        raise SpecError(f"edge '{sender}->{receiver}' runs backwards: {sender!r} comes later")


def _check_supernodes(found: Examined) -> None:
    for number, group in enumerate(found.graph["qParams"].get("supernodes", ())):
        place = f"qParams.supernodes[{number}]"
        if not isinstance(group, list) or not group:
            found.complaints.add(place, f"{quoted(group)} is no list of a label and ids")
        elif not all(isinstance(each, str) for each in cast("list[object]", group)):
            found.complaints.add(place, "holds what is no text; expected a label and ids")


def _chance(node: Mapping[str, Any]) -> float:
    said = node.get("token_prob")
    return float(said) if isinstance(said, int | float) and not isinstance(said, bool) else 0.0


def shown(text: str, longest: int = 200) -> str:
    """Words of a file as a note may repeat them."""
    return clipped(printable(text), longest)
