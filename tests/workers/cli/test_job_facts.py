"""`jobs` says what each job is and picks those that are wanted; `last` is the latest."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from graph_schema.documents.jobs import ErrorDocument
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.aged import aged
from tests.servers import EMPTY
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers.cli.exits import ExitCode
from workers.client import service as client_service
from workers.client.served import Serving


@pytest.fixture
def store(world: World) -> Any:
    with GraphStore(world.settings.store_address()) as found:
        found.write(lambda tx: tx.run(EMPTY).consume())
        yield found


def submitted(circuits: Circuits, world: World, *words: object) -> str:
    return circuits("submit", *world.ask, *words, "--json", world=world).json()["job_id"]


def test_a_list_says_what_jobs_are_and_why_one_failed(
    circuits: Circuits, world: World, store: GraphStore
) -> None:
    failed = submitted(circuits, world, "--edges", 7)
    jobs.claim(store, failed, "t", owner="a", lease=600, max_attempts=3)
    jobs.fail(store, failed, "t", ErrorDocument(type="NonFiniteError", message="a score is NaN"))
    waiting = submitted(circuits, world, "--threshold", "0.25")
    out = circuits("jobs", world=world).out
    (heading, *_), (first, second) = out.splitlines()[:2], out.splitlines()[-2:]
    told = ("job", "kind", "state", "model", "task", "method", "edges", "since", "ran")
    assert tuple(heading.split()[:9]) == told
    assert first.split()[:7] == [
        *(waiting[:12], "discover", "queued", world.model.name, "pairs", "eap", ">")
    ]
    assert "0.25" in first
    assert second.split()[:7] == [
        *(failed[:12], "discover", "failed", world.model.name, "pairs", "eap", "7")
    ]
    assert "NonFiniteError: a score is NaN" in second
    shown = circuits("job", failed, world=world).out
    for fact in (str(world.model), "pairs", "eap", "NonFiniteError"):
        assert fact in shown


def test_a_job_that_is_put_off_says_why_and_until_when(
    circuits: Circuits, world: World, store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = submitted(circuits, world, "--edges", 7)
    jobs.claim(store, waiting, "t", owner="a", lease=600, max_attempts=3)
    full = ErrorDocument(type="ResourceError", message="No space left on device: '/a'; make room")
    jobs.put_off(store, waiting, "t", full, jobs.Patience())
    at = jobs.get(store, waiting).retry_at
    assert at is not None
    until = datetime.fromtimestamp(at / 1000).astimezone().strftime("%H:%M:%S")
    why = f"waits until {until} (1 try): ResourceError: No space left on device: '/a'; make room"
    for command in (("jobs",), ("job", waiting)):
        assert circuits(*command, world=world).out.count(why) == 1
    found = circuits("job", waiting, "--json", world=world).json()
    assert (found["state"], found["attempts"], found["put_off"]) == ("queued", 0, 1)
    assert (found["waits_for"], found["retry_at"]) == (why, at)
    (listed,) = circuits("jobs", "--json", world=world).json()
    assert listed["waits_for"] == why
    serving = Serving(store, world.settings)
    for _ in range(3):
        assert serving.tell(jobs.get(store, waiting)), "who waits for it is told, once"
    assert [why in told for told in caplog.messages] == [True]
    aged(store, waiting)
    late = jobs.get(store, waiting)
    (why,) = serving.waits([late]).values()
    assert why == "waits for a worker with cpu; no worker is live", "its pause is over for long"
    assert not serving.tell(late), "who waits is to hear that nobody works"


def test_a_job_that_is_put_off_says_what_worker_it_lacks_too(
    circuits: Circuits, world: World, store: GraphStore
) -> None:
    waiting = submitted(circuits, world, "--edges", 7, "--device", "cuda")
    jobs.claim(store, waiting, "t", owner="a", lease=600, max_attempts=3)
    away = ErrorDocument(type="ResourceError", message="no room")
    jobs.put_off(store, waiting, "t", away, jobs.Patience())
    (why,) = Serving(store, world.settings).waits([jobs.get(store, waiting)]).values()
    assert why.startswith("waits for a worker with cuda; no worker is live; waits until ")
    assert why.endswith("(1 try): ResourceError: no room")


def test_filters_pick_before_the_limit_counts(
    circuits: Circuits, world: World, store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_service, "PAGE", 2)
    wanted = [submitted(circuits, world, "--edges", 5), submitted(circuits, world, "--edges", 6)]
    for number in range(3):
        other = ("--method", "exact", "--edges", 7 + number)
        submitted(circuits, world, *other)

    def ids(*words: object) -> list[str]:
        found = circuits("jobs", *words, "--json", world=world).json()
        return [each["job_id"] for each in found]

    assert ids("--method", "eap") == wanted[::-1]
    assert ids("--method", "eap", "--limit", 1) == wanted[1:]
    assert len(ids("--model", world.model.name, "--task", "pairs", "--since", "1h")) == 5
    assert len(ids("--model", str(world.model), "--state", "queued")) == 5
    assert ids("--task", "ioi") == []
    assert ids("--model", "gpt2") == []
    assert ids("--since", "2100-01-01") == []
    ran = circuits("jobs", "--task", "ioi", world=world)
    assert (ran.code, ran.out, ran.err) == (ExitCode.DONE, "", "no such job\n")


@pytest.mark.parametrize("since", ["yesterday", "3", "", "3y", "2025-13-01"])
def test_a_time_that_is_none_is_named(circuits: Circuits, world: World, since: str) -> None:
    ran = circuits("jobs", "--since", since, world=world)
    assert ran.code == ExitCode.REQUEST
    assert repr(since) in ran.err


def test_a_job_as_json_has_what_was_asked_and_where(
    circuits: Circuits, world: World, store: GraphStore
) -> None:
    job_id = submitted(circuits, world, "--edges", 5)
    found = circuits("job", job_id, "--json", world=world).json()
    record = jobs.get(store, job_id)
    assert found["spec"] == json.loads(record.spec)
    assert found["placement"]["model"]["name"] == str(world.model)


def test_last_is_the_latest_job_and_the_latest_circuit(
    circuits: Circuits, world: World, store: GraphStore
) -> None:
    for command in ("job", "show"):
        ran = circuits(command, "last", world=world)
        assert ran.code == ExitCode.REQUEST
        assert "no last" in ran.err
    runs = [
        circuits("run", *world.ask, "--edges", n, "--json", world=world).json() for n in (20, 30)
    ]
    job = circuits("job", "last", "--json", world=world).json()
    assert job["job_id"] == runs[1]["job_id"]
    shown = circuits("show", "last", "--format", "json", world=world).json()
    assert shown["circuit_id"] == runs[1]["circuit_id"]
    paths = circuits("query", "strongest-paths", "--param", "circuit=last", world=world)
    assert paths.code == ExitCode.DONE, paths.err
