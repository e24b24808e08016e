"""What one model's measurements say of a motif, rung by rung.

`present`, `absent`, `inconclusive` or `untestable`, each with its reason. A task that the model
does not do makes the behaviour absent and what is above it untestable: it contradicts nothing. Only
`absent` above behaviour does, and it takes a measurement whose whole interval is on the wrong side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph_schema.documents import (
    Metric,
    RoleGraph,
    RoleName,
    RolePlay,
    RolesPlayed,
    Rung,
    RungFinding,
    RungState,
    SuperEdge,
)
from graph_schema.documents.protocol import EdgeRule, Protocol
from graph_schema.documents.role import Behaviour, Transduction
from graph_schema.documents.role_graph import POSITION_GAP, ControlShare
from graph_schema.documents.universality import SuperEdgeFinding


@dataclass(frozen=True)
class Measurements:
    """What there is of one model; what is missing is named in `failed`, with the reason.

    Attributes:
        roles: Who plays what; None where that job failed.
        graph: What the roles carry; None where that job failed.
        failed: By what was to be measured (`roles`, `effects`), why it was not.
        not_performed: Why the model does not do the task, where a job found that it does not.
    """

    roles: RolesPlayed | None = None
    graph: RoleGraph | None = None
    failed: dict[str, str] | None = None
    not_performed: str = ""


@dataclass(frozen=True)
class Stated:
    """A state and why."""

    state: RungState
    reason: str = ""


def rungs(found: Measurements, protocol: Protocol, role: RoleName) -> tuple[RungFinding, ...]:
    """The three rungs of a model, from the bottom; `role` is the motif's output role."""
    behaviour, closed = behaviour_state(found, protocol)
    if closed:
        above = Stated(RungState.UNTESTABLE, closed)
        states = (behaviour, above, above)
    else:
        of_role = role_state(found, protocol, role)
        states = (behaviour, of_role, wiring_state(found, protocol, of_role))
    return tuple(
        RungFinding(rung=rung, state=each.state, reason=each.reason)
        for rung, each in zip(Rung, states, strict=True)
    )


def behaviour_state(found: Measurements, protocol: Protocol) -> tuple[Stated, str]:
    """The lowest rung, and why those above it cannot be tested (empty where they can)."""
    if found.not_performed:
        return Stated(RungState.ABSENT, found.not_performed), found.not_performed
    measured = [each.behaviour for each in (found.roles, found.graph) if each and each.behaviour]
    if not measured:
        why = _failure(found, "roles") or _failure(found, "effects")
        why = why or "how well the model does the task was not measured"
        return Stated(RungState.UNTESTABLE, why), why
    told = min(measured, key=lambda each: each.worst)
    if told.worst < protocol.accuracy:
        condition = min(told.accuracy, key=lambda name: told.accuracy[name])
        why = f"accuracy {told.worst:.2f} on {condition}; at least {protocol.accuracy:g} is needed"
        return Stated(RungState.ABSENT, why), why
    done = f"accuracy at least {told.worst:.2f} on {len(told.accuracy)} conditions"
    for each in measured:
        if why := each.reason or _small_gap(each, protocol):
            return Stated(RungState.PRESENT, done), why
    return Stated(RungState.PRESENT, done), ""


def role_state(found: Measurements, protocol: Protocol, role: RoleName) -> Stated:
    """Whether the output role is there, causal, and carries the answer (transduction)."""
    played = found.roles
    if played is None:
        return Stated(RungState.UNTESTABLE, _failure(found, "roles") or "no roles were measured")
    tested = [play for play in played.plays if play.role is role]
    if not tested:
        why = played.untested.get(role) or f"no component was tested for {role.value}"
        return Stated(RungState.UNTESTABLE, why)
    members = [play.component for play in tested if play.passes]
    if not members:
        return _no_member(tested, protocol, role)
    moved = next((each for each in played.transductions if each.role is role), None)
    if moved is None:
        why = f"{' '.join(members)} pass, but what their outputs move was not measured"
        return Stated(RungState.INCONCLUSIVE, why)
    return _transduced(moved, protocol, members)


def wiring_state(found: Measurements, protocol: Protocol, role: Stated) -> Stated:
    """Whether the motif's super-edges carry the effect: present if all, absent if one does not."""
    graph = found.graph
    if graph is None:
        why = _failure(found, "effects") or _failure(found, "roles")
        return Stated(RungState.UNTESTABLE, why or "no effects were measured")
    if role.state is RungState.UNTESTABLE:  # who plays it nobody knows, so no edge is its own
        return role
    states = {rule.name: edge_state(graph, rule, protocol) for rule in protocol.edges}
    for wanted in (RungState.ABSENT, RungState.UNTESTABLE, RungState.INCONCLUSIVE):
        said = [f"{name}: {s.reason}" for name, s in states.items() if s.state is wanted]
        if said:
            return Stated(wanted, "; ".join(said))
    if role.state is not RungState.PRESENT:
        why = f"every edge carries its share, but the output role is {role.state.value}"
        return Stated(RungState.INCONCLUSIVE, why)
    return Stated(RungState.PRESENT, "; ".join(f"{n}: {s.reason}" for n, s in states.items()))


def edge_state(graph: RoleGraph, rule: EdgeRule, protocol: Protocol) -> Stated:
    """One super-edge: its share against the floor, its controls against their ceilings."""
    edge = next((each for each in graph.edges if rule.is_for(each)), None)
    if edge is None:
        return Stated(RungState.INCONCLUSIVE, "it was not measured")
    share = edge.text
    if edge.is_bound:
        what = f"a role without members; all upstream of its kind carry {share}"
        below = edge.ci_high < rule.floor
        return Stated(RungState.ABSENT if below else RungState.INCONCLUSIVE, what)
    if edge.ci_high < rule.floor:
        return Stated(RungState.ABSENT, f"carries {share}, less than {rule.floor:g}")
    if edge.ci_low < rule.floor:
        why = f"carries {share}, which does not settle whether it is {rule.floor:g}"
        return Stated(RungState.INCONCLUSIVE, why)
    if (gap := _shortcut(edge, rule)) is not None:
        return Stated(RungState.INCONCLUSIVE, f"carries {share}, but {gap}")
    if wrong := [text for each in edge.controls if (text := _exceeded(edge, each, rule, protocol))]:
        return Stated(RungState.INCONCLUSIVE, f"carries {share}, but {', '.join(wrong)}")
    if protocol.path == "direct" and rule.receiver != "logits":
        return _directly(edge, share, protocol)
    return Stated(RungState.PRESENT, f"carries {share}, {wired(edge, protocol)}")


def super_edges(protocol: Protocol, graph: RoleGraph | None) -> tuple[SuperEdgeFinding, ...]:
    """Each super-edge of the protocol in a role graph, held to it; none where none is measured."""
    if graph is None or not graph.edges:
        return ()
    findings: list[SuperEdgeFinding] = []
    for rule in protocol.edges:
        edge = next((each for each in graph.edges if rule.is_for(each)), None)
        stated = edge_state(graph, rule, protocol)
        findings.append(
            SuperEdgeFinding(
                name=rule.name,
                state=stated.state,
                reason=stated.reason,
                edge=edge,
                wired=wired(edge, protocol) if edge and not edge.is_bound else "",
            )
        )
    return tuple(findings)


def wired(edge: SuperEdge, protocol: Protocol) -> str:
    """How a super-edge runs: `directly`, or `through m0`."""
    if edge.direct is None:
        return "on paths that were not told apart"
    if edge.direct.share >= protocol.direct_part:
        return "directly"
    through = [each.component for each in edge.mediators if each.ci_low >= protocol.mediator_part]
    return f"through {' and '.join(through)}" if through else "through what was not found"


def _shortcut(edge: SuperEdge, rule: EdgeRule) -> str | None:
    """With something between what is repeated it must carry as much: else it goes by position."""
    control = next((each for each in edge.controls if each.name == POSITION_GAP), None)
    if control is None or control.ci_high >= rule.floor:
        return None
    return f"with a gap between the copies {control.text}, less than {rule.floor:g}"


def _directly(edge: SuperEdge, share: str, protocol: Protocol) -> Stated:
    direct = edge.direct
    if direct is None:
        return Stated(RungState.INCONCLUSIVE, f"carries {share}; its direct part was not measured")
    part = f"{direct.text} of it from member to member"
    why = f"carries {share}, {part}, {wired(edge, protocol)}"
    if direct.ci_low >= protocol.direct_part:
        return Stated(RungState.PRESENT, why)
    if direct.ci_high < protocol.direct_part:
        return Stated(RungState.ABSENT, why)
    return Stated(RungState.INCONCLUSIVE, why)


def _exceeded(edge: SuperEdge, control: ControlShare, rule: EdgeRule, protocol: Protocol) -> str:
    """What a control carries that it should not; empty where it does not."""
    name, ceiling = control.name, protocol.ceilings.get(control.name)
    if ceiling is not None and control.ci_high >= ceiling:
        return f"control {name} carries {control.text}, not below {ceiling:g}"
    times = rule.exceeds.get(name)
    if times is not None and edge.share <= times * control.share:
        return f"not {times:g} times what control {name} carries ({control.share:.2f})"
    return ""


def _transduced(moved: Transduction, protocol: Protocol, members: Sequence[str]) -> Stated:
    who, most = " ".join(members), protocol.same_answer
    text = f"outputs of {who} from another prompt move {moved.moved.text} of a full swap"
    if moved.moved.ci_high < protocol.transduction:
        return Stated(RungState.ABSENT, f"{text}, less than {protocol.transduction:g}")
    if moved.moved.ci_low < protocol.transduction:
        return Stated(
            RungState.INCONCLUSIVE,
            f"{text}, which does not settle whether it is {protocol.transduction:g}",
        )
    if (same := moved.same_answer) is None:
        return Stated(RungState.PRESENT, f"{text}; no prompt with the same answer to compare with")
    text += f", with the same answer {same.text}"
    if same.ci_low > most:
        return Stated(RungState.ABSENT, f"{text}, more than {most:g}: more than the answer moves")
    if same.ci_high > most:
        return Stated(RungState.INCONCLUSIVE, f"{text}, which may be more than {most:g}")
    return Stated(RungState.PRESENT, text)


def _no_member(tested: Sequence[RolePlay], protocol: Protocol, role: RoleName) -> Stated:
    best = max(tested, key=lambda play: play.score)
    what = f"none of {len(tested)} components passes as {role.value}"
    if best.score < protocol.pattern:
        why = f"{what}: the best pattern, of {best.component}, scores {best.score:.2f}"
        return Stated(RungState.ABSENT, f"{why}; at least {protocol.pattern:g} is needed")
    open_ = [play for play in tested if play.score >= protocol.pattern and play.ci_high > 0]
    if open_:
        # The pattern is there and an effect is not excluded: one of several that stand in for each
        # other looks so.
        told = f": {open_[0].reason}" if open_[0].reason else ""
        names = " ".join(play.component for play in open_)
        return Stated(RungState.INCONCLUSIVE, f"{what}; {names} have its pattern{told}")
    why = f"{what}: {best.component} has its pattern ({best.score:.2f}), and no effect"
    return Stated(RungState.ABSENT, why)


def _small_gap(told: Behaviour, protocol: Protocol) -> str:
    """Why shares of the gap mean nothing; empty where they do."""
    what = f"loss(empty) - loss(full) is {told.gap:.2f}"
    if told.gap_low <= 0:
        return f"{what} and its interval reaches 0: shares of it mean nothing"
    unsteady = told.gap_low < protocol.steady * told.gap
    if protocol.metric is Metric.LOGIT_DIFF and told.gap < protocol.gap and unsteady:
        return f"{what}, at least {protocol.gap:g} is needed: shares of less explode"
    return ""


def _failure(found: Measurements, what: str) -> str:
    return (found.failed or {}).get(what, "")
