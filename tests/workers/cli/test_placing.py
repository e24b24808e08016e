"""Which worker a job waits for, as the command line takes it and says it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest

from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import announce_worker
from tests.servers import EMPTY
from tests.workers.cli.conftest import Circuits
from tests.workers.world import World
from workers import capacity
from workers.cli.exits import ExitCode
from workers.client.served import Serving
from workers.settings import Settings


@pytest.fixture
def store(world: World) -> Generator[GraphStore]:
    with GraphStore(world.settings.store_address()) as found:
        found.write(lambda tx: tx.run(EMPTY).consume())
        yield found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--device", "gpu"), "did you mean 'cuda'? expected one of: auto, cpu, cuda, mps"),
        (("--device", "GPU"), "did you mean 'cuda'?"),
        (("--device", "tpu_pod"), "unknown device 'tpu_pod'; expected one of: auto, cpu, cuda"),
        (("--device", "cuda:1"), "say 'cuda': a worker has one GPU, which CUDA_VISIBLE_DEVICES"),
        (("--memory", 0), "memory is 0; expected greater than or equal to 1"),
        (("--memory", 2000), "memory is 2000; expected less than or equal to 1024"),
    ],
)
@pytest.mark.parametrize("command", ["submit", "run"])
def test_a_place_that_there_is_not_is_refused(
    circuits: Circuits, world: World, command: str, words: tuple[object, ...], told: str
) -> None:
    ran = circuits(command, *world.ask, "--edges", 5, *words, world=world)
    assert (ran.code, ran.out) == (ExitCode.REQUEST, "")
    assert told in ran.err


def test_a_job_that_no_live_worker_serves_says_so_everywhere(
    circuits: Circuits, world: World, store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    def submitted(*words: object) -> str:
        caplog.clear()
        asked = (*world.ask, "--edges", 5, *words)
        return circuits("submit", *asked, "--json", world=world).json()["job_id"]

    job_id = submitted("--device", "cuda", "--memory", 30)
    (told,) = caplog.messages
    assert "waits for a worker with cuda and 32 GiB; no worker is live" in told
    for number in range(2):
        serves = f"cpu:{8 + 8 * number}"
        announce_worker(store, f"w{number}", host="here", pid=1, serves=serves, lease=600)
    assert submitted("--device", "cuda") == job_id, "its place is none of what it is"
    why = "waits for a worker with cuda; 2 workers live serve cpu with 16 GiB"
    assert why in caplog.text
    for command in (("jobs",), ("job", job_id)):
        assert why in circuits(*command, world=world).out
    (listed,) = circuits("jobs", "--json", world=world).json()
    assert listed["waits_for"] == why
    assert circuits("job", job_id, "--json", world=world).json()["waits_for"] == why
    status = circuits("status", "--json", world=world).json()
    assert [worker["serves"] for worker in status["workers"]] == ["cpu:8", "cpu:16"]
    # The message of its first place is there too: whoever takes it finds that it is another's.
    waiting = {name: n for name, n in status["queues"].items() if n}
    assert waiting == {"cuda-32g": 1, "cuda": 1}
    out = circuits("status", world=world).out
    assert "2 live" in out
    assert "w1" in out
    assert "nothing" in out
    assert submitted("--device", "auto", "--memory", 16) == job_id
    assert caplog.text == ""
    assert circuits("job", job_id, "--json", world=world).json()["waits_for"] is None


def test_a_broker_that_is_away_is_told_beside_the_rest(
    circuits: Circuits, world: World, store: GraphStore
) -> None:
    with reserved_port() as port:
        away = Settings.model_validate(
            world.settings.model_dump() | {"broker": f"redis://127.0.0.1:{port}/0"}
        )
        elsewhere = replace(world, settings=away)
        ran = circuits("status", "--json", world=elsewhere)
        assert ran.code == ExitCode.UNAVAILABLE
        assert (ran.json()["live_jobs"], ran.json()["queues"]) == (0, None)
        assert "cannot be reached" in ran.json()["broker_error"]
        assert "cannot be reached" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--once", "--max-jobs", 2), "leave the others out"),
        (("--max-jobs", 0), "--max-jobs is 0; expected a number above 0"),
        (("--idle-exit", "-1"), "--idle-exit is -1; expected a number above 0"),
        (("--serves", "gpu"), "CIRCUITS_SERVES"),
    ],
)
def test_an_end_that_cannot_be_is_refused(
    circuits: Circuits, words: tuple[object, ...], told: str
) -> None:
    ran = circuits("worker", *words)
    assert ran.code == ExitCode.REQUEST
    assert told in ran.err


def test_where_no_local_worker_runs_yet_this_machine_is_looked_at(
    circuits: Circuits, world: World, store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local service starts its worker when a job comes: whether it has a GPU shows before."""
    asked = (*world.ask, "--edges", 5, "--device", "cuda", "--json")
    record = jobs.get(store, circuits("submit", *asked, world=world).json()["job_id"])
    monkeypatch.delenv("CIRCUITS_GRAPH")
    monkeypatch.setattr(capacity, "GPU_FILES", ())
    local = Serving(store, Settings(serves="cpu:8"))
    (why,) = local.waits([record]).values()
    assert why == "waits for a worker with cuda; the local service's would serve cpu with 8 GiB"
    monkeypatch.setattr(capacity, "GPU_FILES", ("/",))
    assert Serving(store, Settings()).waits([record]) == {}
