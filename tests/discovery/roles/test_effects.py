"""Effects of roles in models whose wiring is written down: what is there is found, all else not."""

from __future__ import annotations

import pytest

from discovery.evaluation.measured import Measured
from discovery.roles.effects import super_edges
from discovery.roles.positions import pulled_apart
from discovery.roles.shares import Shares
from discovery.roles.sufficiency import direct_wiring, mediated_wiring
from graph_schema.documents import Channel, RoleName, Split
from graph_schema.documents.jobs.effects import AskedEdge
from graph_schema.documents.role_graph import SuperEdge
from tests.discovery.roles.written import CONTEXT, Wiring, cast_of, measured, written

KEY = AskedEdge(RoleName.PREVIOUS_TOKEN, Channel.K, RoleName.INDUCTION)
QUERY = AskedEdge(RoleName.DUPLICATE_TOKEN, Channel.Q, RoleName.INDUCTION)
OUT = AskedEdge(RoleName.INDUCTION, Channel.R, "logits")


def _silent(done: int, total: int) -> None: ...


def _shares(split: Measured) -> Shares:
    return Shares(split, None, _silent)


def _measure(wiring: Wiring, *asked: AskedEdge) -> tuple[SuperEdge, ...]:
    adapter = written(wiring)
    split = measured(adapter)
    assert split.full.accuracy.mean() == 1
    apart = pulled_apart(split.pairs, seed=0, n_ctx=CONTEXT)
    found_on = _shares(measured(adapter, Split.DISCOVERY))
    cast = cast_of(split, wiring)
    return super_edges(cast, asked, _shares(split), on_discovery=found_on, apart=apart)


def _controls(edge: SuperEdge) -> dict[str, float]:
    return {control.name: control.share for control in edge.controls}


@pytest.mark.parametrize(
    ("wiring", "direct", "mediated"), [("key", 1, 0), ("through_m0", 0, 1), ("half", 0.5, 0.5)]
)
def test_the_whole_share_is_told_apart_into_direct_and_mediated(
    wiring: Wiring, direct: float, mediated: float
) -> None:
    key, out = _measure(wiring, KEY, OUT)
    assert key.share == pytest.approx(1, abs=0.02)
    assert key.direct is not None
    # Half against half is a tie, split by how many copies either answer has.
    assert key.direct.share == pytest.approx(direct, abs=0.1)
    named = {each.component: each.share for each in key.mediators}
    assert named == ({"m0": pytest.approx(mediated, abs=0.1)} if mediated else {})
    assert out.share == pytest.approx(1, abs=0.02)
    assert out.direct is not None
    assert out.direct.share == pytest.approx(1, abs=0.02)
    assert out.mediators == ()


@pytest.mark.parametrize("wiring", ["key", "through_m0"])
def test_controls_carry_nothing_and_a_gap_changes_nothing(wiring: Wiring) -> None:
    key, out = _measure(wiring, KEY, OUT)
    controls = _controls(key)
    assert set(controls) == {"wrong_position", "q", "v", "wrong_source", "position_gap"}
    assert controls.pop("position_gap") == pytest.approx(1, abs=0.05)
    assert max(map(abs, controls.values())) < 0.01
    controls = _controls(out)
    assert set(controls) == {"wrong_position", "wrong_source", "position_gap"}
    assert controls.pop("position_gap") == pytest.approx(1, abs=0.05)
    assert max(map(abs, controls.values())) < 0.01


def test_a_pointer_goes_through_queries_and_keys_get_nothing() -> None:
    query, key, _ = _measure("pointer", QUERY, KEY, OUT)
    assert query.share == pytest.approx(1, abs=0.02)
    assert query.direct is not None
    assert query.direct.share == pytest.approx(1, abs=0.02)
    controls = _controls(query)
    assert abs(controls["k"]) < 0.01
    assert abs(controls["v"]) < 0.01
    # Nobody is a previous-token head there: all heads together carry nothing through the keys.
    assert key.is_bound
    assert key.ci_high < 0.05
    assert key.direct is None
    assert key.controls == ()


def test_a_role_without_members_is_bounded_by_all_heads() -> None:
    (bound,) = _measure("key", QUERY)
    assert bound.is_bound
    assert abs(bound.share) < 0.01
    split = measured(written("key"))
    cast = cast_of(split, "pointer")  # nobody is said to be a previous-token head
    (bound,) = super_edges(cast, [KEY], _shares(split))
    assert bound.is_bound
    assert bound.share == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("wiring", "direct", "mediated"), [("key", 1, 1), ("through_m0", 0, 1), ("half", 0.5, 1)]
)
def test_a_wiring_alone_restores_what_runs_on_it(
    wiring: Wiring, direct: float, mediated: float
) -> None:
    split = measured(written(wiring))
    cast = cast_of(split, wiring)
    wirings = [
        direct_wiring(cast, [KEY, OUT]),
        mediated_wiring(cast, [KEY, OUT], {KEY: ["m0"]}),
    ]
    split.measure(wirings)
    found = [split.faithfulness(kept) for kept in wirings]
    assert found == pytest.approx([direct, mediated], abs=0.1)


def test_the_share_on_the_pairs_of_the_roles_stands_beside() -> None:
    (key,) = _measure("key", KEY)
    assert key.on_discovery is not None
    assert key.on_discovery.share == pytest.approx(1, abs=0.02)
    assert key.everywhere is not None
    assert key.everywhere.share == pytest.approx(1, abs=0.02)
