"""Role graphs: what the roles of one model carry to each other, with controls and mediators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document, later
from graph_schema.documents.component import Channel
from graph_schema.documents.role import RoleMeasurement, RolePlace, Share

POSITION_GAP = "position_gap"
"""The one control that should carry as much as the edge itself."""


class RoleNode(Document):
    """A role and the components of the model that play it together; none where nobody plays it."""

    role: RolePlace
    members: tuple[str, ...]


class ControlShare(Share):
    """The share that the same patch carries where it should carry none (`wrong_position`).

    The other channels of the receiver go by their letters (`q`, `v`). `position_gap` alone should
    carry as much as the edge: something else stands between what is repeated.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Mediator(Share):
    """A component without a role in the graph whose edges into the channel carry the effect.

    `share` is the part of the super-edge's share that goes through these edges alone.
    """

    component: str


class SuperEdge(Share):
    """What one role carries to another through one channel.

    `share` of loss(empty) - loss(full) that is lost when all of the sender's members are patched
    and the change goes through this channel of the receiver's members alone, on whatever path.
    `direct`: the part of this share that the edges from member to member carry alone, in the
    otherwise clean model; `mediators`: the components without a role that carry the rest into the
    channel, each its part. Parts need not add up to 1; they are null and none where the share is
    too small to be told apart from nothing. `everywhere` is the sender patched for all who read it,
    for contrast: it is more than this edge. `is_bound`: a role has no member, and `share` is what
    all components of its kind upstream carry together. `on_discovery` is the share on the pairs
    that roles were assigned on, to see how much is lost on others.
    """

    sender: RolePlace
    receiver: RolePlace
    channel: Channel
    controls: tuple[ControlShare, ...] = ()
    direct: Share | None = later(None)
    mediators: tuple[Mediator, ...] = later(())
    everywhere: Share | None = later(None)
    is_bound: bool = later(False)
    on_discovery: Share | None = later(None)

    @model_validator(mode="after")
    def _runs_from_a_sender_to_a_receiver(self) -> SuperEdge:
        if self.sender == "logits" or self.receiver == "input":
            end = "logits send" if self.sender == "logits" else "input reads"
            raise ValueError(f"the {end} nothing")
        if self.receiver == "logits" and self.channel is not Channel.R:
            raise ValueError(f"the logits have no {self.channel.value} input, only heads do")
        return self


class Restored(Share):
    """Sufficiency: the share of the gap that comes back when all but this wiring is corrupt.

    `wiring`: `direct`, the edges from member to member and to the logits; or `mediated`, these
    with the mediators' paths.
    """

    wiring: Literal["direct", "mediated"]


class RoleGraph(RoleMeasurement):
    """The roles of one model on one task and what they carry to each other.

    `conditions` are those that effects were measured on, which roles were not assigned on.
    """

    schema_version: Literal[1] = 1
    nodes: Annotated[tuple[RoleNode, ...], Field(min_length=1)]
    edges: tuple[SuperEdge, ...] = ()
    role_test_id: str | None = later(None)
    """Of the role test that says who plays what."""
    motif_id: str | None = later(None)
    conditions: tuple[str, ...] = later(())
    method_version: int = later(1)
    restored: tuple[Restored, ...] = later(())

    @property
    def role_graph_id(self) -> str:
        """Of what was measured and how, not of what came out: measuring again is the same graph."""
        return self.id_of(
            "",
            *sorted(f"{node.role}: {' '.join(sorted(node.members))}" for node in self.nodes),
            *sorted(f"{edge.sender} -{edge.channel}-> {edge.receiver}" for edge in self.edges),
        )

    @model_validator(mode="after")
    def _hangs_together(self) -> RoleGraph:
        roles = [str(node.role) for node in self.nodes]
        if repeated := sorted({role for role in roles if roles.count(role) > 1}):
            raise ValueError(f"role {repeated[0]!r} is given twice")
        for node in self.nodes:
            for name in node.members:
                self.check_component(name)
        seen: set[tuple[str, str, Channel]] = set()
        for edge in self.edges:
            for end in (edge.sender, edge.receiver):
                if end not in roles:
                    raise ValueError(f"super-edge to or from {str(end)!r}, which is no node here")
            key = (str(edge.sender), str(edge.receiver), edge.channel)
            if key in seen:
                raise ValueError(f"super-edge {key[0]} -{key[2]}-> {key[1]} is given twice")
            seen.add(key)
        return self
