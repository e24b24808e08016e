"""`roles`: who plays which role, asked, done here, stored, and read again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graph_schema.documents import RoleName
from graph_schema.errors import SpecError
from graph_schema.store.records.role_tests import read_role_test_of_job
from tests.compiled import Twin
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import CircuitClient

ASK = ("--task", "induction", "--task-param", "max_period=9", "--task-param", "min_period=4")
SHORT = ("--task-param", "length=20", "--pairs", 20, "--here")


def test_roles_are_found_stored_and_told(circuits: Circuits, world: World, tmp_path: Path) -> None:
    twin = Twin("key", n_tokens=23, n_ctx=31).write(tmp_path / "twin")
    ran = circuits("roles", "--model", twin, *ASK, *SHORT, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    found = ran.json()
    assert (found["kind"], found["state"], found["circuit_ids"]) == ("roles", "succeeded", [])
    assert (found["model"]["family"], found["task"]) == ("compiled", "induction")
    assert found["behaviour"]["reason"] == ""
    first = found["plays"][:2]
    assert [(play["component"], play["role"]) for play in first] == [
        ("a1.h0", "induction"),
        ("a0.h1", "previous_token"),
    ]
    assert [play["passes"] for play in found["plays"]] == [True, True, *[False] * 10]
    assert found["transductions"][0]["moved"]["share"] == pytest.approx(1)
    assert set(found["cpu_seconds_by_stage"]) > {"behaviour", "patterns", "effects"}

    again = circuits("roles", "--model", twin, *ASK, *SHORT, "--json", world=world).json()
    assert (again["job_id"], again["attempts"]) == (found["job_id"], 1)
    text = circuits("job", found["job_id"][:12], "--wait", world=world).out
    assert "previous_token  a0.h1" in text
    assert "not tested: backup_name_mover, copy_suppression" in text
    with CircuitClient(settings=world.settings) as client:
        job = client.job(found["job_id"])
        outcome = job.outcome(progress=False)
        assert outcome.players[RoleName.INDUCTION] == ("a1.h0",)
        assert outcome.run is not None
        assert outcome.run.job_id == job.job_id
        frame = outcome.to_pandas()
        assert set(frame["component"]) == {"a0.h0", "a0.h1", "a1.h0", "a1.h1"}
        assert {"score", "effect", "direct_logits", "offset"} <= set(frame.columns)
        stored = read_role_test_of_job(client.service.store, job.job_id)
        assert stored == outcome.document
        with pytest.raises(SpecError, match=r"finds no circuit.*job.outcome"):
            job.result(progress=False)
        rows = client.cypher(
            "MATCH (:Run)-[:TESTED]->(t:RoleTest {job_id: $id})-[:OF_MODEL]->(m:Model) "
            "RETURN m.family AS family",
            id=job.job_id,
        )
        assert rows.records() == [{"family": "compiled"}]


def test_a_task_that_is_not_done_is_told_and_no_failure(circuits: Circuits, world: World) -> None:
    """The tiny random model: its job succeeds and says why nothing can be tested."""
    words = ("--task", "induction", "--task-param", "max_period=6", "--task-param", "min_period=4")
    sizes = ("--task-param", "length=12", "--pairs", 16, "--here")
    ran = circuits("roles", "--model", world.model, *words, *sizes, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    found = ran.json()
    assert found["plays"] == []
    assert found["behaviour"]["reason"]
    assert set(found["untested"]) == set(RoleName)
    text = circuits("job", found["job_id"], "--wait", world=world).out
    assert f"untestable    {found['behaviour']['reason']}" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "induction", "--role", "mover"), "unknown role 'mover'; .*induction"),
        (("--task", "induction", "--probes", 4), "probes is 4"),
        ((), "give exactly one of task"),
    ],
)
def test_bad_requests_are_refused_before_a_model_is_looked_for(
    words: tuple[object, ...], said: str, circuits: Circuits
) -> None:
    ran = circuits("roles", "--model", "./nowhere", *words)
    assert ran.code == ExitCode.REQUEST
    assert re.search(said, ran.err), ran.err
