"""The protocol that a motif is judged by unless somebody says otherwise.

Induction's numbers are measured (two layers, eight heads, 64 prompts, intervals of about .013):
previous_token -k-> induction carries .42 to .56 of the gap, for without information in the keys the
logit difference falls to 0, half-way; induction -> logits .77 to 1.01; values at most .11, queries
and wrong positions at most .002. Other motifs have floors that no such measurement stands behind.
"""

from __future__ import annotations

from typing import Any

from graph_schema.documents import (
    AblationSpec,
    Channel,
    ComponentKind,
    Metric,
    Motif,
    RoleName,
    Sign,
)
from graph_schema.documents.jobs import EffectsSpec, RolesSpec
from graph_schema.documents.protocol import EdgeRule, Protocol
from graph_schema.documents.role import RolePlace
from graph_schema.errors import SpecError

BETWEEN, TO_LOGITS = 0.25, 0.5
"""Floors of the share between two roles, and of the output role's to the logits."""
WRONG_POSITION, WRONG_SOURCE, WRONG_CHANNEL = 0.05, 0.15, 0.15
"""Ceilings of controls."""
TIMES_THE_VALUES = 3.0
"""How much more a key must carry than the values of the same heads."""
INDUCTION = {"accuracy": 0.8, "gap": 5.0}
"""The least accuracy (on the condition done worst), and the least gap, in logits: below it shares
explode."""
MEASURED_BY: dict[str, int] = {
    spec.model_fields["kind"].default: spec.model_fields["method_version"].default
    for spec in (RolesSpec, EffectsSpec)
}
"""Version of the method by kind of job."""
OTHERS = {"accuracy": 0.5, "gap": 0.0}


def default_protocol(
    motif: Motif,
    *,
    metric: Metric = Metric.LOGIT_DIFF,
    ablation: AblationSpec | None = None,
    methods: dict[str, int] | None = None,
    **changes: Any,
) -> Protocol:
    """The floors, ceilings and conditions for a motif whose nodes are roles.

    Args:
        motif: Roles, `input` and `logits`, joined by channels.
        metric: What effects are measured in; the least gap is in logits and holds for `logit_diff`.
        ablation: What is put in place of patched values.
        methods: Versions of methods, beside or in place of those of roles and effects.
        changes: Any field of `Protocol`, in place of the default.

    Raises:
        SpecError: The motif has no output role, or a node that is no role.
    """
    floors = dict(INDUCTION if output_role(motif) is RoleName.INDUCTION else OTHERS)
    if metric is not Metric.LOGIT_DIFF:
        floors["gap"] = 0.0
    fields: dict[str, Any] = {
        "metric": metric,
        "ablation": ablation or AblationSpec(),
        "edges": edge_rules(motif),
        "ceilings": {
            "wrong_position": WRONG_POSITION,
            "wrong_source": WRONG_SOURCE,
            **{channel.value: WRONG_CHANNEL for channel in Channel if channel is not Channel.R},
        },
        "methods": MEASURED_BY | (methods or {}),
    }
    return Protocol.model_validate(fields | floors | changes)


def output_role(motif: Motif) -> RoleName:
    """The role whose edge goes to the logits.

    Raises:
        SpecError: There is none: then the role rung says nothing.
    """
    role = places(motif).get(motif.output or "")
    if not isinstance(role, RoleName):
        raise SpecError(
            f"motif {motif.name!r} has no output role (one whose edge goes to the logits), so "
            "there is no role rung to judge; choose one that has, such as induction"
        )
    return role


def edge_rules(motif: Motif) -> tuple[EdgeRule, ...]:
    """A rule for every edge of the motif, in its order.

    Raises:
        SpecError: A node is no single role, an edge has no single channel or is negative.
    """
    where = places(motif)
    rules: dict[tuple[RolePlace, Channel, RolePlace], EdgeRule] = {}
    for edge in motif.edges:
        if edge.sign is Sign.NEGATIVE:
            raise SpecError(
                f"edge {edge.name!r} of motif {motif.name!r} is negative; a share of the gap that "
                "an edge carries is positive, so there is no floor for it yet"
            )
        sender, receiver = where[edge.sender], where[edge.receiver]
        channels = edge.channels or ((Channel.R,) if receiver == "logits" else ())
        if len(channels) != 1:
            raise SpecError(
                f"edge {edge.name!r} of motif {motif.name!r} has no single channel; effects are "
                "measured through one: write -q->, -k-> or -v->"
            )
        floor = TO_LOGITS if receiver == "logits" else BETWEEN
        exceeds = {"v": TIMES_THE_VALUES} if channels[0] is Channel.K else {}
        rules[sender, channels[0], receiver] = EdgeRule(
            sender=sender, channel=channels[0], receiver=receiver, floor=floor, exceeds=exceeds
        )
    return tuple(rules.values())


def places(motif: Motif) -> dict[str, RolePlace]:
    """What each variable of the motif is in a role graph.

    Raises:
        SpecError: A node is no single role, `input` or `logits`.
    """
    ends: dict[ComponentKind, RolePlace] = {
        ComponentKind.INPUT: "input",
        ComponentKind.LOGITS: "logits",
    }
    found: dict[str, RolePlace] = {}
    for node in motif.nodes:
        if len(node.roles) == 1:
            found[node.variable] = node.roles[0]
        elif len(node.kinds) == 1 and node.kinds[0] in ends and not node.roles:
            found[node.variable] = ends[node.kinds[0]]
        else:
            raise SpecError(
                f"node {node.variable!r} of motif {motif.name!r} is no single role; universality "
                "is judged of motifs whose nodes are roles, input and logits"
            )
    return found
