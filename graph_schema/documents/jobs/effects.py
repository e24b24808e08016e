"""The job that measures what the roles of a motif carry to each other in a model."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from graph_schema.documents.component import INPUTS, Channel, ComponentKind
from graph_schema.documents.jobs.base import MeasuredSpec
from graph_schema.documents.motif import Motif, NodePattern
from graph_schema.documents.role import RolePlace

_HEAD_CHANNELS = (Channel.Q, Channel.K, Channel.V)


class AskedEdge(NamedTuple):
    """A super-edge to measure."""

    sender: RolePlace
    channel: Channel
    receiver: RolePlace

    @property
    def name(self) -> str:
        """In the arrow notation, `previous_token -k-> induction`, `induction -> logits`."""
        arrow = "->" if self.channel is Channel.R else f"-{self.channel.value}->"
        return f"{self.sender} {arrow} {self.receiver}"


class EffectsSpec(MeasuredSpec):
    """Everything a role graph depends on. Its SHA-256 is the job id.

    `roles_job` is the job that said who plays what; it must have succeeded. Group interventions
    are made for every edge of `motif`, whose nodes are roles, `input` and `logits`.
    """

    kind: Literal["effects"] = "effects"
    motif: Motif
    roles_job: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    method_version: Literal[1] = 1

    @property
    def places(self) -> tuple[RolePlace, ...]:
        """The roles and ends that the motif names, each once."""
        named: dict[RolePlace, None] = {}
        for node in self.motif.nodes:
            named.update(dict.fromkeys(_places(node)))
        return tuple(named)

    @property
    def asked(self) -> tuple[AskedEdge, ...]:
        """The super-edges to measure, each once: one for each channel, and each role of a node."""
        nodes = {node.variable: node for node in self.motif.nodes}
        found: dict[AskedEdge, None] = {}
        for edge in self.motif.edges:
            ends = product(_places(nodes[edge.sender]), _places(nodes[edge.receiver]))
            for sender, receiver in ends:
                read = (Channel.R,) if receiver == "logits" else _HEAD_CHANNELS
                for channel in read:
                    if not edge.channels or channel in edge.channels:
                        found[AskedEdge(sender, channel, receiver)] = None
        return tuple(found)

    @model_validator(mode="after")
    def _has_roles(self) -> EffectsSpec:
        if not self.motif.reads_roles:
            raise ValueError(
                f"motif {self.motif.name!r} names no role: effects are measured between roles; "
                "choose a motif such as induction, or search for this one (circuits motifs)"
            )
        for node in self.motif.nodes:
            if not _places(node):
                raise ValueError(
                    f"node {node.variable!r} of motif {self.motif.name!r} is no role: expected "
                    "roles, input or logits; give it a role, or search for the motif in circuits "
                    "(circuits motifs)"
                )
        for edge in self.motif.edges:
            sender, receiver = (
                next(node for node in self.motif.nodes if node.variable == name)
                for name in (edge.sender, edge.receiver)
            )
            to_logits = _places(receiver) == ("logits",)
            expected = {Channel.R} if to_logits else set(_HEAD_CHANNELS)
            if _places(sender) == ("logits",) or _places(receiver) == ("input",):
                raise ValueError(
                    f"edge {edge.name!r}: the logits send nothing, the input reads none"
                )
            if edge.channels and not expected & set(edge.channels):
                raise ValueError(
                    f"edge {edge.name!r} runs through no channel of its receiver; expected "
                    f"{', '.join(sorted(expected))}"
                )
        return self


def _places(node: NodePattern) -> tuple[RolePlace, ...]:
    """What a node of the pattern stands for in a role graph; empty where there is no such place."""
    kinds = set(node.kinds)
    if node.roles:
        return node.roles if kinds <= {ComponentKind.HEAD} else ()
    if kinds == {ComponentKind.LOGITS}:
        return ("logits",)
    return ("input",) if kinds and kinds.issubset(INPUTS) else ()
