"""Commands about jobs, against a real graph and queue without a worker; `run` works itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString
from unittest.mock import ANY

import numpy as np
import pytest
from pydantic import SecretStr
from safetensors.numpy import load_file, save_file

from graph_schema.processes import reserved_port
from graph_schema.store import GraphStore
from tests.workers.cli.conftest import Circuits, Ran
from tests.workers.world import N_EDGES, World, write_lines
from workers.cli.exits import ExitCode

RESULT_KEYS = {
    "job_id",
    "circuit_id",
    "state",
    "n_edges_scored",
    "n_edges",
    "faithfulness",
    "heldout_faithfulness",
    "cmd",
    "cpr",
    "cpu_seconds",
}


@pytest.fixture
def found(circuits: Circuits, world: World) -> dict[str, Any]:
    """A circuit, found by `circuits run` (the first time; then it is known)."""
    ran = circuits("run", *world.ask, "--edges", 12, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    return ran.json()


def test_run_prints_one_object_with_the_figures(found: dict[str, Any]) -> None:
    assert found.keys() >= RESULT_KEYS
    assert found["state"] == "succeeded"
    assert found["n_edges_scored"] == N_EDGES
    assert 0 < found["n_edges"] <= 12
    assert found["cpu_seconds"] > 0
    for name in ("faithfulness", "heldout_faithfulness", "cmd", "cpr"):
        assert isinstance(found[name], float)


def test_run_again_is_the_same_job_and_circuit(
    circuits: Circuits, world: World, found: dict[str, Any]
) -> None:
    again = circuits("run", *world.ask, "--edges", 12, world=world)
    assert again.code == ExitCode.DONE
    assert found["circuit_id"] in again.out
    assert "circuits show" in again.out
    submitted = circuits("submit", *world.ask, "--edges", 12, world=world)
    assert submitted.out.strip() == found["job_id"]
    assert "it was done before" in submitted.err
    assert submitted.code == ExitCode.DONE


def test_a_job_waits_in_the_queue_until_it_is_cancelled(circuits: Circuits, world: World) -> None:
    submitted = circuits("submit", *world.ask, "--edges", 3, "--json", world=world)
    assert submitted.code == ExitCode.DONE
    job = submitted.json()
    assert job["state"] == "queued"
    assert circuits("submit", *world.ask, "--edges", 3, "--json", world=world).json() == job
    short = job["job_id"][:12]
    shown = circuits("job", short, "--json", world=world).json()
    waits = {"waits_for": "waits for a worker with cpu; no worker is live"}
    more = {"tags": [], "notes": [], **waits}
    assert shown == {**job, "spec": shown["spec"], "placement": shown["placement"], **more}
    listed = circuits("jobs", "--state", "queued", "--json", world=world).json()
    assert {**job, "tags": [], **waits} in listed
    assert short in circuits("jobs", world=world).out

    cancelled = circuits("cancel", short, "--json", world=world)
    assert cancelled.json()["state"] == "cancelled"
    again = circuits("cancel", short, world=world)
    assert again.code == ExitCode.REQUEST
    assert "has already ended: cancelled" in again.err
    assert circuits("submit", *world.ask, "--edges", 3, "--json", world=world).json() == {
        **job,
        "submitted_at": ANY,
    }
    circuits("cancel", short, world=world)
    waited = circuits("job", short, "--wait", "--json", world=world)
    assert waited.code == ExitCode.CANCELLED
    assert waited.json()["circuit_id"] is None
    assert f"job {job['job_id']} was cancelled" in waited.err


def test_what_is_not_there_is_named(circuits: Circuits, world: World) -> None:
    for words in (("job", "beef"), ("cancel", "beef"), ("show", "beef")):
        ran = circuits(*words, world=world)
        assert ran.code == ExitCode.REQUEST
        assert "'beef'" in ran.err


def refused(ran: Ran, message: str) -> None:
    assert ran.code == ExitCode.REQUEST
    assert message in ran.err
    assert "Traceback" not in ran.err
    failed = ran.json()
    assert failed["state"] == "failed"
    assert failed["circuit_id"] is None
    assert message in failed["error"]["message"]


def test_a_token_id_beyond_the_vocabulary_fails_the_job(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    lines = world.lines()
    lines[4]["clean"][0] = 40
    file = write_lines(tmp_path / "beyond.jsonl", lines)
    asked = ("--model", world.model, "--dataset", file, "--edges", 5, "--method", "eap")
    ran = circuits("run", *asked, "--json", world=world)
    refused(ran, "line 5: clean holds token id 40")
    again = circuits("submit", *asked, world=world)
    assert "it failed before" in again.err


def test_a_misfit_can_be_left_out_and_is_said(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    lines = world.lines()
    lines[4]["clean"][0] = 40
    file = write_lines(tmp_path / "beyond.jsonl", lines)
    asked = ("--model", world.model, "--dataset", file, "--edges", 5, "--method", "eap")
    ran = circuits("run", *asked, "--misfits", "leave_out", "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    assert any("line 5: clean holds token id 40" in note for note in ran.json()["notes"])
    wrong = circuits("run", *asked, "--misfits", "ignore", world=world)
    assert wrong.code == ExitCode.REQUEST
    assert "misfits is \"ignore\"; expected 'refuse' or 'leave_out'" in wrong.err


def test_a_sweeps_json_has_the_figures_of_every_circuit(circuits: Circuits, world: World) -> None:
    asked = ("--model", world.model, "--dataset", world.pairs, "--method", "eap-ig")
    sweep = ("--over", "activations", "--steps", 1, "--threshold", 0.01, "--threshold", 1e6)
    extras = ("--exact-top", 3, "--receivers", "kv_group", "--keep-pair-scores")
    ran = circuits("run", *asked, *sweep, *extras, "--json", world=world)
    assert ran.code == ExitCode.DONE, ran.err
    told = ran.json()
    some, none = told["circuits"]
    assert [each["selection"]["threshold"] for each in (some, none)] == [0.01, 1e6]
    assert some["n_edges"] > none["n_edges"] == 0
    assert none["faithfulness"] == 0
    assert {key: told[key] for key in some} == some
    assert [some["circuit_id"], none["circuit_id"]] == told["circuit_ids"]
    assert any("3 best of" in note for note in some["notes"])
    shown = circuits("show", some["circuit_id"], "--format", "json", world=world).json()
    kinds = [edge["score_kind"] for edge in shown["edges"]]
    assert kinds.count("exact") == 3
    assert shown["method"]["over"] == "activations"


def test_text_for_a_model_without_a_tokenizer_fails_the_job(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    pair = {"clean": "a b", "corrupt": "a c", "answers": ["d"], "wrong_answers": ["e"]}
    file = write_lines(tmp_path / "text.jsonl", [pair] * 8)
    asked = ("--model", world.model, "--dataset", file, "--edges", 5, "--method", "eap")
    refused(circuits("run", *asked, "--json", world=world), "tokenizer")


def test_a_task_that_the_model_does_not_do_fails_the_job(
    circuits: Circuits, world: World, tmp_path: Path
) -> None:
    turned = [
        {**line, "answers": line["wrong_answers"], "wrong_answers": line["answers"]}
        for line in world.lines()
    ]
    file = write_lines(tmp_path / "turned.jsonl", turned)
    asked = ("--model", world.model, "--dataset", file, "--edges", 5, "--method", "eap")
    ran = circuits("run", *asked, "--json", world=world)
    refused(ran, "accuracy")
    assert ran.json()["error"]["type"] == "TaskNotPerformedError"


def test_broken_weights_fail_the_job(circuits: Circuits, world: World, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(world.model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["transformer.h.1.mlp.c_proj.weight"][0, 0] = np.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    asked = ("--model", broken, "--dataset", world.pairs, "--edges", 5, "--method", "eap")
    ran = circuits("run", *asked, "--json", world=world)
    assert ran.code == ExitCode.FAILED
    assert ran.json()["error"]["type"] == "NonFiniteWeightsError"


def test_a_graph_that_is_down_is_told_with_its_address(
    circuits: Circuits, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.client.service.PATIENCE", 0.1)
    with reserved_port() as port:
        graph = f"bolt://127.0.0.1:{port}"
        down = world.settings.model_copy(update={"graph": graph})
        for words in (("jobs", "--json"), ("submit", *world.ask, "--edges", "5")):
            ran = circuits(*words, world=replace(world, settings=down))
            assert ran.code == ExitCode.UNAVAILABLE
            assert ran.out == ""
            assert graph in ran.err.splitlines()[0]


def test_a_broker_that_is_down_is_told_before_anything_is_written(
    circuits: Circuits, world: World
) -> None:
    asked = (*world.ask, "--edges", "7", "--json")
    with reserved_port() as port:
        url = SecretStr(f"redis://:secret@127.0.0.1:{port}/0")
        down = world.settings.model_copy(update={"broker": url})
        ran = circuits("submit", *asked, world=replace(world, settings=down))
    assert ran.code == ExitCode.UNAVAILABLE
    assert "broker at redis://" in ran.err
    assert "secret" not in ran.err
    states = [job["state"] for job in circuits("jobs", "--json", world=world).json()]
    assert "queued" not in states


def test_a_graph_newer_than_the_code_is_refused(circuits: Circuits, world: World) -> None:
    with GraphStore(world.settings.store_address()) as store:
        version = store.rows("MATCH (s:Schema) RETURN s.version AS version")[0]["version"]
        change: LiteralString = "MATCH (s:Schema) SET s.version = $version"
        store.write(lambda tx: tx.run(change, version=999).consume())
        try:
            ran = circuits("jobs", world=world)
        finally:
            store.write(lambda tx: tx.run(change, version=version).consume())
    assert ran.code == ExitCode.INSTALLATION
    assert "999" in ran.err
