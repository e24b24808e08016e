"""What one model's measurements come to, against floors and controls."""

from __future__ import annotations

from typing import Any

import pytest

from graph_schema.comparing.protocols import default_protocol
from graph_schema.comparing.states import Measurements, rungs, wired
from graph_schema.documents import (
    Metric,
    RoleGraph,
    RoleName,
    RolesPlayed,
    Rung,
    RungFinding,
    RungState,
)
from graph_schema.errors import SpecError
from graph_schema.motifs import find_motif
from tests.findings import role_graph, roles_played

MOTIF = find_motif("induction")
PROTOCOL = default_protocol(MOTIF)
PRESENT, ABSENT, INCONCLUSIVE, UNTESTABLE = RungState


def share(value: float, by: float = 0.02) -> dict[str, float]:
    return {"share": value, "ci_low": value - by, "ci_high": value + by}


def behaviour(accuracy: float = 0.97, gap: float = 9.0, reason: str = "") -> dict[str, Any]:
    return {
        "accuracy": {"period_5": 0.99, "period_9": accuracy},
        "gap": gap,
        "gap_low": gap - 0.5,
        "gap_high": gap + 0.5,
        "reason": reason,
    }


def played(
    moved: dict[str, float] | None = None,
    same: dict[str, float] | None = None,
    passes: bool = True,
    score: float = 0.6,
    effect: float = 2.0,
    **told: Any,
) -> RolesPlayed:
    fields = roles_played().model_dump()
    for play in fields["plays"]:
        if play["role"] == "induction":
            play |= {"passes": passes, "scores": dict.fromkeys(play["scores"], score)}
            play |= {"effect": effect, "ci_low": effect - 0.25, "ci_high": effect + 0.25}
    moves = {
        "role": "induction",
        "members": ("a1.h2",),
        "moved": moved or share(0.9),
        "same_answer": share(0.05) if same is None else same,
        "accuracy": 0.9,
        "n_prompts": 64,
    }
    fields |= {"behaviour": behaviour(**told), "transductions": [moves] if passes else []}
    return RolesPlayed.model_validate(fields)


def graph(keys: dict[str, Any] | None = None, out: dict[str, Any] | None = None) -> RoleGraph:
    fields: dict[str, Any] = role_graph().model_dump() | {"behaviour": behaviour()}
    for edge, changes in zip(fields["edges"], (keys, out), strict=True):
        edge |= changes or {}
    return RoleGraph.model_validate(fields)


def stated(
    roles: RolesPlayed | None = None, effects: RoleGraph | None = None, **options: Any
) -> dict[Rung, RungFinding]:
    protocol = options.pop("protocol", PROTOCOL)
    found = Measurements(roles or played(), effects or graph(), **options)
    return {each.rung: each for each in rungs(found, protocol, RoleName.INDUCTION)}


def test_everything_over_its_floor_is_present_on_every_rung() -> None:
    assert [each.state for each in stated().values()] == [PRESENT] * 3


def test_a_failed_task_is_absent_behaviour_and_contradicts_nothing() -> None:
    found = stated(played(accuracy=0.3))
    assert [each.state for each in found.values()] == [ABSENT, UNTESTABLE, UNTESTABLE]
    assert "accuracy 0.30 on period_9" in found[Rung.WIRING].reason


@pytest.mark.parametrize(
    ("gap", "why"), [(2.0, "at least 5 is needed"), (0.2, "interval reaches 0")]
)
def test_a_small_gap_makes_shares_untestable(gap: float, why: str) -> None:
    found = stated(played(gap=gap))
    assert [each.state for each in found.values()] == [PRESENT, UNTESTABLE, UNTESTABLE]
    assert why in found[Rung.ROLE].reason


def test_a_small_gap_that_is_steady_will_do() -> None:
    fields = played(gap=3.0).model_dump()
    fields["behaviour"] |= {"gap_low": 2.9, "gap_high": 3.1}
    effects = graph().model_dump() | {"behaviour": fields["behaviour"]}
    found = stated(RolesPlayed.model_validate(fields), RoleGraph.model_validate(effects))
    assert [each.state for each in found.values()] == [PRESENT] * 3


def test_probes_that_do_not_fit_are_untestable_with_the_reason() -> None:
    found = stated(played(reason="the vocabulary lacks the probe tokens"))
    assert found[Rung.ROLE].state is found[Rung.WIRING].state is UNTESTABLE
    assert found[Rung.ROLE].reason == "the vocabulary lacks the probe tokens"


def test_wiring_is_not_absent_where_nobody_knows_who_plays_the_role() -> None:
    """A pointer of five tokens: too few for probes, and all its heads carry nothing by keys."""
    fields = played().model_dump() | {"plays": [], "transductions": []}
    why = "probes need 3 repeat periods; the vocabulary has 5 tokens"
    fields |= {"untested": {"induction": why, "previous_token": why}}
    nothing = graph(share(0) | {"is_bound": True}, share(1) | {"is_bound": True})
    found = stated(RolesPlayed.model_validate(fields), nothing)
    assert [each.state for each in found.values()] == [PRESENT, UNTESTABLE, UNTESTABLE]
    assert found[Rung.WIRING].reason == why


def test_failed_jobs_are_untestable_with_their_reason() -> None:
    nothing = Measurements(failed={"roles": "job 12ab failed: out of memory"})
    found = rungs(nothing, PROTOCOL, RoleName.INDUCTION)
    assert {each.state for each in found} == {UNTESTABLE}
    assert all("out of memory" in each.reason for each in found)
    half = Measurements(played(), failed={"effects": "job 34cd failed: worker died 3 times"})
    found = rungs(half, PROTOCOL, RoleName.INDUCTION)
    assert [each.state for each in found] == [PRESENT, PRESENT, UNTESTABLE]
    assert "worker died" in found[2].reason


def test_a_job_that_finds_the_task_not_done_says_so_of_the_behaviour() -> None:
    found = rungs(Measurements(not_performed="accuracy .1 is chance"), PROTOCOL, RoleName.INDUCTION)
    assert [each.state for each in found] == [ABSENT, UNTESTABLE, UNTESTABLE]


@pytest.mark.parametrize(
    ("moved", "same", "state"),
    [
        (share(0.61), share(0.1), INCONCLUSIVE),
        (share(0.5), share(0.1), ABSENT),
        (share(0.9), share(0.24), INCONCLUSIVE),
        (share(0.9), share(0.4), ABSENT),
        (share(0.63), share(0.22), PRESENT),
    ],
)
def test_transduction_and_its_control_decide_the_role(
    moved: dict[str, float], same: dict[str, float], state: RungState
) -> None:
    assert stated(played(moved, same))[Rung.ROLE].state is state


@pytest.mark.parametrize(
    ("score", "effect", "state"), [(0.1, 2.0, ABSENT), (0.6, 0.1, INCONCLUSIVE), (0.6, -1, ABSENT)]
)
def test_without_a_member_the_pattern_and_the_effect_say_which(
    score: float, effect: float, state: RungState
) -> None:
    assert stated(played(passes=False, score=score, effect=effect))[Rung.ROLE].state is state


@pytest.mark.parametrize(
    ("keys", "state"),
    [
        (share(0.28), PRESENT),
        (share(0.26), INCONCLUSIVE),
        (share(0.2), ABSENT),
        (share(0.1) | {"is_bound": True}, ABSENT),
        (share(0.9) | {"is_bound": True}, INCONCLUSIVE),
    ],
)
def test_a_share_is_held_to_its_floor_by_its_interval(
    keys: dict[str, Any], state: RungState
) -> None:
    assert stated(effects=graph(keys))[Rung.WIRING].state is state


@pytest.mark.parametrize(
    ("control", "why"),
    [
        ({"name": "wrong_position"} | share(0.04), "wrong_position carries 0.04"),
        ({"name": "q"} | share(0.14), "q carries"),
        ({"name": "v", "share": 0.17, "ci_low": 0.1, "ci_high": 0.149}, "3 times"),
    ],
)
def test_a_control_over_its_ceiling_leaves_the_wiring_open(
    control: dict[str, Any], why: str
) -> None:
    found = stated(effects=graph({"controls": [control]}))[Rung.WIRING]
    assert found.state is INCONCLUSIVE
    assert why in found.reason


def test_a_control_without_a_ceiling_decides_nothing() -> None:
    everything = {"name": "everywhere"} | share(0.9)
    assert stated(effects=graph({"controls": [everything]}))[Rung.WIRING].state is PRESENT


def test_one_absent_edge_is_absent_wiring_and_names_the_edge() -> None:
    found = stated(effects=graph(share(0.26), share(0.1)))[Rung.WIRING]
    assert found.state is ABSENT
    assert found.reason.startswith("induction -> logits")


def test_wiring_is_not_present_where_the_role_is_not() -> None:
    found = stated(played(share(0.5)))
    assert (found[Rung.ROLE].state, found[Rung.WIRING].state) == (ABSENT, INCONCLUSIVE)


MEDIATED = {
    "direct": share(0.16),
    "mediators": [{"component": "m0"} | share(0.7), {"component": "m1"} | share(0.03)],
}


def test_mediated_wiring_is_present_through_its_mediator_and_absent_directly() -> None:
    effects = graph(MEDIATED)
    assert wired(effects.edges[0], PROTOCOL) == "through m0"
    assert stated(effects=effects)[Rung.WIRING].state is PRESENT
    direct = default_protocol(MOTIF, path="direct")
    found = stated(effects=effects, protocol=direct)[Rung.WIRING]
    assert found.state is ABSENT
    assert "through m0" in found.reason
    straight = graph({"direct": share(0.9)})
    assert stated(effects=straight, protocol=direct)[Rung.WIRING].state is PRESENT
    assert stated(effects=graph(), protocol=direct)[Rung.WIRING].state is INCONCLUSIVE


def test_the_least_gap_is_in_logits() -> None:
    protocol = default_protocol(MOTIF, metric=Metric.PROB_DIFF)
    assert stated(played(gap=0.8), protocol=protocol)[Rung.ROLE].state is PRESENT


@pytest.mark.parametrize("name", ["bi_fan", "copy_suppression", "mlp_relay"])
def test_motifs_that_are_not_of_roles_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match=name):
        default_protocol(find_motif(name))
