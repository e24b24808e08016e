"""Protocols: by which numbers it is decided that a motif is there, and how they are measured.

A verdict is of a protocol, and its id covers it: another floor, ablation or method is another
verdict. Shares are of loss(empty) - loss(full), bounds those of 95 % intervals over prompts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document
from graph_schema.documents.component import Channel
from graph_schema.documents.method import AblationSpec, Metric
from graph_schema.documents.role import RolePlace
from graph_schema.documents.role_graph import SuperEdge

WiringPath = Literal["any", "direct"]
"""On which paths wiring counts: whatever leads into the channel, or member to member alone."""
Floor = Annotated[float, Field(ge=0, le=1)]


class EdgeRule(Document):
    """What a super-edge must carry, and how many times as much as a control (`{"v": 3}`)."""

    sender: RolePlace
    channel: Channel
    receiver: RolePlace
    floor: Annotated[float, Field(gt=0, le=1)]
    exceeds: dict[str, Annotated[float, Field(ge=1)]] = Field(default={})

    @property
    def name(self) -> str:
        """In the arrow notation, `previous_token -k-> induction`."""
        return super_edge_name(self)

    def is_for(self, edge: SuperEdge) -> bool:
        return super_edge_key(self) == super_edge_key(edge)

    def is_missed(self, edge: SuperEdge, protocol: Protocol) -> bool:
        """Whether a super-edge is absent: its whole interval is below what the protocol asks."""
        if edge.ci_high < self.floor:
            return True
        direct = protocol.path == "direct" and self.receiver != "logits" and not edge.is_bound
        return direct and edge.direct is not None and edge.direct.ci_high < protocol.direct_part


class Protocol(Document):
    """Everything that decides what a model's measurements come to.

    The role: its pattern's score, what its heads' outputs from another prompt move (`transduction`,
    by the lower bound) and, where the answer is the same, leave (`same_answer`, by the upper). The
    wiring: `edges`, and by control's name what it may carry at most (upper bound); a control that
    is not named here is shown and decides nothing. `direct_part` of a super-edge is what must run
    from member to member where `path` is `direct`. Strong verdicts need the families' mean shares
    equivalent within `margin` at level `alpha` (two one-sided tests).
    """

    schema_version: Literal[1] = 1
    metric: Metric
    ablation: AblationSpec = AblationSpec()
    path: WiringPath = "any"
    accuracy: Floor
    gap: Annotated[float, Field(ge=0)] = 0.0
    steady: Floor = 0.8
    """A smaller gap will do where its lower bound is so much of it: logits differ in scale."""
    pattern: Floor = 0.3
    transduction: Floor = 0.6
    same_answer: Floor = 0.25
    edges: Annotated[tuple[EdgeRule, ...], Field(min_length=1)]
    ceilings: dict[str, Floor]
    direct_part: Floor = 0.5
    mediator_part: Floor = 0.1
    margin: Annotated[float, Field(gt=0, le=1)] = 0.2
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    circuits: Annotated[int, Field(ge=1, le=10)] = 3
    conditions: tuple[str, ...] = ()
    """On which roles were assigned and effects measured, as asked for; empty: the methods' own."""
    methods: dict[str, int]
    """Integer version of each method: roles, effects, and the method that finds circuits."""

    @property
    def protocol_id(self) -> str:
        return self.content_id()

    def rule_of(self, edge: SuperEdge) -> EdgeRule | None:
        """The rule for a super-edge, None where it is none of the motif's."""
        return next((rule for rule in self.edges if rule.is_for(edge)), None)

    @model_validator(mode="after")
    def _one_rule_an_edge(self) -> Protocol:
        keys = [super_edge_key(rule) for rule in self.edges]
        if len(set(keys)) < len(keys):
            raise ValueError("a super-edge has two rules")
        return self


def super_edge_key(edge: EdgeRule | SuperEdge) -> tuple[str, str, str]:
    """What tells super-edges apart: sender, channel, receiver."""
    return str(edge.sender), edge.channel.value, str(edge.receiver)


def super_edge_name(edge: EdgeRule | SuperEdge) -> str:
    """In the arrow notation, `previous_token -k-> induction`, `induction -> logits`."""
    arrow = "->" if edge.channel is Channel.R else f"-{edge.channel.value}->"
    return f"{edge.sender} {arrow} {edge.receiver}"
