"""`effects`: what roles carry to each other, in programs whose wiring is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.compiled import Twin
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode

POINTER = """
name: pointed_induction
nodes:
  duplicate: {role: duplicate_token}
  induction: {role: induction}
  out: {kind: logits}
edges:
  - duplicate -q-> induction -> out
"""
# Position 0 has no token before it, and contexts are short.
DATA = ("--task", "induction", "--pairs", 24, "--task-param", "length=24")
PERIODS = ("--task-param", "min_period=6", "--task-param", "max_period=9")


@pytest.fixture(scope="module")
def roles() -> dict[str, str]:
    return {}


@pytest.fixture
def roles_job(
    request: pytest.FixtureRequest,
    circuits: Circuits,
    world: World,
    roles: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The roles job of a twin; done once."""
    kind = request.param
    if kind not in roles:
        folder = tmp_path_factory.mktemp(kind) / kind
        Twin(kind, n_tokens=37, n_ctx=33, n_heads=3).write(folder)
        ran = circuits("roles", "--model", folder, *DATA, *PERIODS, "--here", "--json", world=world)
        assert ran.code == ExitCode.DONE, ran.err
        roles[kind] = ran.json()["job_id"]
    return roles[kind]


def _edges(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{edge['sender']} -{edge['channel']}-> {edge['receiver']}": edge
        for edge in found["super_edges"]
    }


@pytest.mark.parametrize("roles_job", ["key"], indirect=True)
def test_a_program_of_keys_has_the_motif(roles_job: str, circuits: Circuits, world: World) -> None:
    words = ("effects", roles_job[:12], "--motif", "induction", "--here")
    ran = circuits(*words, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    found = ran.json()
    assert (found["kind"], found["state"], found["motif"]) == ("effects", "succeeded", "induction")
    assert found["task"] == "induction"
    assert found["model"]["family"] == "compiled"
    assert found["behaviour"]["reason"] == ""
    assert found["roles"]["previous_token"] == ["a0.h1"]
    edges = _edges(found)
    assert list(edges) == ["previous_token -k-> induction", "induction -r-> logits"]
    for edge in edges.values():
        assert edge["share"] == pytest.approx(1, abs=0.02)
        assert edge["direct"] == pytest.approx(1, abs=0.02)
        assert edge["ci_low"] <= edge["share"] <= edge["ci_high"]
        assert edge["on_discovery"] == pytest.approx(1, abs=0.02)
        assert edge["mediators"] == []
        shares = {control["name"]: control["share"] for control in edge["controls"]}
        assert shares.pop("position_gap") == pytest.approx(1, abs=0.1)
        assert {"wrong_position", "wrong_source"} <= set(shares)
        assert max(map(abs, shares.values())) < 0.02
    assert [(each["wiring"], round(each["share"], 2)) for each in found["restored"]] == [
        ("direct", 1.0)
    ]
    text = circuits("job", found["job_id"], "--wait", world=world).out
    assert "previous_token -k-> induction" in text
    assert "restored by the direct wiring alone: 1.00" in text
    cypher = (
        f"MATCH (g:RoleGraph {{job_id: '{found['job_id']}'}})-[:HAS_ROLE]->(a)-[e:CARRIES]->(b) "
        "RETURN a.role AS a, b.role AS b, e.share AS share, e.direct AS direct ORDER BY a DESC"
    )
    rows = circuits("cypher", cypher, "--json", world=world).json()
    assert len(rows["rows"] if isinstance(rows, dict) else rows) == 2


@pytest.mark.parametrize("roles_job", ["pointer"], indirect=True)
def test_a_pointer_has_another_wiring(
    roles_job: str, circuits: Circuits, world: World, tmp_path: Path
) -> None:
    found = circuits("effects", roles_job, "--here", "--json", world=world).json()
    edges = _edges(found)
    key = edges["previous_token -k-> induction"]
    assert key["is_bound"]
    assert key["ci_high"] < 0.05
    assert edges["induction -r-> logits"]["share"] == pytest.approx(1, abs=0.02)
    assert found["restored"] == []

    (tmp_path / "pointer.yaml").write_text(POINTER)
    assert circuits("motifs", "add", tmp_path / "pointer.yaml", world=world).code == 0
    words = ("effects", roles_job, "--motif", "pointed_induction", "--here", "--json")
    found = circuits(*words, world=world).json()
    query = _edges(found)["duplicate_token -q-> induction"]
    assert query["share"] == pytest.approx(1, abs=0.02)
    assert query["direct"] == pytest.approx(1, abs=0.02)
    assert {c["name"]: abs(c["share"]) < 0.02 for c in query["controls"] if c["name"] in "kv"} == {
        "k": True,
        "v": True,
    }


@pytest.mark.parametrize("roles_job", ["key"], indirect=True)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--motif", "bi_fan"), "names no role"),
        (("--motif", "inductoin"), "no motif is called 'inductoin'"),
        (("--metric", "nope"), "unknown metric 'nope'"),
        (("--revision", "main"), "a revision goes with a model"),
        (("--task-param", "period=3"), "has no parameter 'period'"),
        (("--pairs", 4), "pairs is 4"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    roles_job: str, words: tuple[object, ...], message: str, circuits: Circuits, world: World
) -> None:
    ran = circuits("effects", roles_job, *words, "--here", world=world)
    assert ran.code == ExitCode.REQUEST
    assert message in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("roles_job", ["key"], indirect=True)
def test_a_copy_with_another_fingerprint_is_the_same_model_and_other_weights_are_not(
    roles_job: str, circuits: Circuits, world: World, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    Twin("key", n_tokens=37, n_ctx=33, n_heads=3).write(copy)
    case = json.loads((copy / "case.json").read_text())
    (copy / "case.json").write_text(json.dumps(case, indent=7))
    words = ("effects", roles_job, "--here", "--json")
    ran = circuits(*words, "--model", copy, world=world)
    assert ran.code == ExitCode.DONE, ran.err
    first = circuits(*words, world=world).json()
    assert ran.json()["model"]["fingerprint"] != first["model"]["fingerprint"]
    assert _edges(ran.json()) == _edges(first)

    other = tmp_path / "other"
    Twin("pointer", n_tokens=37, n_ctx=33, n_heads=3).write(other)
    ran = circuits(*words, "--model", other, world=world)
    assert ran.code != ExitCode.DONE
    assert "has other weights than the roles' own" in ran.err


def test_roles_that_nobody_asked_for_are_not_taken_for_played_by_nobody(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    folder = Twin("key", n_tokens=37, n_ctx=33).write(tmp_path / "key")
    words = ("roles", "--model", folder, *DATA, *PERIODS, "--role", "induction", "--here", "--json")
    job = circuits(*words, world=world).json()["job_id"]
    ran = circuits("effects", job, "--here", world=world)
    assert ran.code == ExitCode.REQUEST
    assert "was not asked for previous_token, which motif 'induction' names" in ran.err


def test_effects_are_of_a_roles_job(circuits: Circuits, world: World) -> None:
    found = circuits("run", *world.ask, "--edges", 12, "--json", world=world).json()
    ran = circuits("effects", found["job_id"], "--here", world=world)
    assert ran.code == ExitCode.REQUEST
    assert "is of kind 'discover'; expected a roles job" in ran.err
    assert "no job" in circuits("effects", "feed", "--here", world=world).err


@pytest.mark.parametrize("kind", ["key", "pointer"])
def test_roles_that_could_not_be_tested_have_no_effects_and_no_bounds(
    kind: Any, circuits: Circuits, world: World, tmp_path: Path
) -> None:
    """Five tokens do the task, on two periods, and are too few for probes of three."""
    folder = Twin(kind, n_tokens=5, n_ctx=20).write(tmp_path / kind)
    few = ("--task-param", "length=14", "--task-param", "min_period=4", "--task-param")
    words = ("roles", "--model", folder, "--task", "induction", "--pairs", 24, *few, "max_period=5")
    roles = circuits(*words, "--here", "--json", world=world).json()
    assert roles["behaviour"]["reason"] == ""
    found = circuits("effects", roles["job_id"], "--here", "--json", world=world).json()
    assert found["super_edges"] == []
    assert "no roles: probes need 3 repeat periods" in found["behaviour"]["reason"]


def test_a_task_that_is_not_done_has_no_effects_and_says_why(
    circuits: Circuits, world: World
) -> None:
    # Random weights: prompts of 14 tokens, in a context of 16.
    few = ("--task-param", "length=14", "--task-param", "min_period=4", "--task-param")
    words = (
        "roles",
        "--model",
        world.model,
        "--task",
        "induction",
        "--pairs",
        16,
        *few,
        "max_period=6",
    )
    roles = circuits(*words, "--here", "--json", world=world)
    assert roles.code == ExitCode.DONE, roles.err
    found = circuits("effects", roles.json()["job_id"], "--here", "--json", world=world).json()
    assert found["state"] == "succeeded"
    assert found["super_edges"] == []
    assert found["restored"] == []
    assert found["behaviour"]["reason"].startswith("no roles: ")
    text = circuits("job", found["job_id"], "--wait", world=world).out
    assert "nothing can be measured" in text
