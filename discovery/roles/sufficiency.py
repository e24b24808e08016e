"""Sufficiency: how much comes back when everything is ablated but a motif's own wiring.

The wiring: its members, the channels that it names between them, what the members read directly
from the input, and the way of the last of them to the logits. `mediated` adds, for each super-edge,
its mediators: what they read from the input, from the sender and from each other, and their edges
into the channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from discovery.engine.graph import BoolMatrix
from discovery.roles.cast import Cast
from graph_schema.documents import Channel
from graph_schema.documents.jobs.effects import AskedEdge
from graph_schema.documents.role import RolePlace


def direct_wiring(cast: Cast, asked: Sequence[AskedEdge]) -> BoolMatrix:
    """The edges from member to member, from the input to members, and to the logits."""
    graph, kept = cast.graph, cast.graph.none()
    for place in _roles(asked):
        kept |= graph.between(["input"], cast.names(place), Channel)
        if all(edge.sender != place for edge in asked):
            kept |= graph.between(cast.names(place), ["logits"], Channel)
    for edge in asked:
        kept |= graph.between(cast.names(edge.sender), cast.names(edge.receiver), [edge.channel])
    return kept


def mediated_wiring(
    cast: Cast, asked: Sequence[AskedEdge], mediators: Mapping[AskedEdge, Sequence[str]]
) -> BoolMatrix:
    """The direct wiring and the paths through each super-edge's mediators."""
    graph, kept = cast.graph, direct_wiring(cast, asked)
    for edge, names in mediators.items():
        kept |= graph.between(["input", *cast.names(edge.sender), *names], names, Channel)
        kept |= graph.between(names, cast.names(edge.receiver), [edge.channel])
    return kept


def _roles(asked: Sequence[AskedEdge]) -> list[RolePlace]:
    """The roles at the ends of super-edges, each once."""
    found: dict[RolePlace, None] = {}
    for edge in asked:
        found |= {edge.sender: None, edge.receiver: None}
    return [place for place in found if place not in ("input", "logits")]
