"""Waiting for a job in a notebook: one line that changes, an interrupt, and a loop that goes on."""

from __future__ import annotations

import time
from collections.abc import Generator

import pytest

from graph_schema.documents.jobs import JobProgress, JobState
from graph_schema.store import jobs
from tests.kernels import Kernel, running_kernel
from tests.workers.client.test_job import claimed, submitted
from tests.workers.tiny import until
from tests.workers.world import World
from workers.client import CircuitClient, Job
from workers.client.notebook_line import EVERY_SECONDS
from workers.requests.discover import DiscoverRequest
from workers.running.inline import run_here

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kernel(world: World, tmp_path_factory: pytest.TempPathFactory) -> Generator[Kernel]:
    """A kernel in which `client` is connected to the world's graph."""
    settings, folder = world.settings, tmp_path_factory.mktemp("kernel")
    env = {"CIRCUITS_HOME": str(settings.home), "CIRCUITS_GRAPH": str(settings.graph)}
    for name in ("graph_user", "graph_database", "graph_reader_user"):
        env[f"CIRCUITS_{name.upper()}"] = str(getattr(settings, name))
    for name in ("graph_password", "graph_reader_password"):
        value = getattr(settings, name)
        env[f"CIRCUITS_{name.upper()}"] = getattr(value, "get_secret_value", lambda v=value: v)()
    with running_kernel(folder, env) as kernel:
        began = kernel.run("from workers.client import CircuitClient\nclient = CircuitClient()")
        assert began.reply["status"] == "ok", began.reply
        yield kernel


def at_work(client: CircuitClient, world: World, n_edges: int) -> tuple[Job, str]:
    """A job that a worker has in hand, and the worker's token."""
    job = submitted(client, world, n_edges)
    token = claimed(client, job)
    report(client, job, token, 3)
    return job, token


def report(client: CircuitClient, job: Job, token: str, done: int) -> None:
    step = JobProgress(stage="scores", done=done, total=9)
    jobs.renew(client.service.store, job.job_id, token, lease=3600.0, progress=step)


def end(client: CircuitClient, job: Job, token: str) -> None:
    job.cancel()
    jobs.stop(client.service.store, job.job_id, token)


def test_waiting_is_one_line_that_changes_in_its_place(
    client: CircuitClient, world: World, kernel: Kernel
) -> None:
    job, token = at_work(client, world, 41)
    began = time.monotonic()
    ran, ended = kernel.begin(f"client.job('{job.job_id}').wait();")
    for done in range(3, 9):
        report(client, job, token, done)
        until(lambda done=done: any(f"scores {done}/9" in line for line in ran.lines))
    end(client, job, token)
    ended.result()
    assert ran.reply["status"] == "ok"
    (first,) = ran.of("display_data")
    changes = ran.of("update_display_data")
    assert 6 <= len(changes) <= (time.monotonic() - began) / EVERY_SECONDS + 1
    assert {each["transient"]["display_id"] for each in changes} == {
        first["transient"]["display_id"]
    }
    assert ran.of("stream") == []
    assert "<progress max='9' value='8'" in changes[-2]["data"]["text/html"]
    assert ran.lines[-1].startswith(f"job {job.job_id[:12]}: ended after ")
    assert "<progress" not in changes[-1]["data"]["text/html"]


@pytest.mark.parametrize("wait", ["{job}.result()", "await {job}"])
def test_an_interrupt_leaves_the_job_to_go_on_and_says_how_to_come_back(
    client: CircuitClient, world: World, kernel: Kernel, wait: str
) -> None:
    job, token = at_work(client, world, 42)
    ran, ended = kernel.begin(wait.format(job=f"client.job('{job.job_id}')"))
    until(lambda: any("scores 3/9" in line for line in ran.lines))
    kernel.interrupt()
    ended.result()
    assert (ran.reply["status"], ran.reply["ename"]) in (
        ("error", "KeyboardInterrupt"), ("error", "CancelledError"),
    )  # fmt: skip
    own = f'client.job("{job.job_id[:12]}")'
    assert ran.lines[-1].endswith(
        f"scores 3/9: interrupted. The job goes on: {own}.result() waits again, "
        f"{own}.cancel() ends it"
    )
    assert job.refresh().state is JobState.RUNNING
    again = kernel.run(f"{own}.cancel()\n{own}.state.value")
    assert again.reply["status"] == "ok"
    jobs.stop(client.service.store, job.job_id, token)


TICKING = """
import asyncio
seen = []
async def tick():
    while True:
        seen.append(1)
        await asyncio.sleep(0.01)
ticking = asyncio.create_task(tick())
try:
    both = await asyncio.gather(*[client.job(id).wait_async() for id in {ids}])
finally:
    ticking.cancel()
print(len(seen), *[job.state.value for job in both])
"""


def test_a_running_loop_goes_on_while_jobs_are_awaited(
    client: CircuitClient, world: World, kernel: Kernel
) -> None:
    (one, first), (two, second) = (at_work(client, world, 43), at_work(client, world, 44))
    ran, ended = kernel.begin(TICKING.format(ids=[one.job_id, two.job_id]))
    until(lambda: len(ran.of("display_data")) == 2)
    before = len(ran.messages)
    report(client, one, first, 7)
    until(lambda: any("scores 7/9" in line for line in ran.lines[-before:]))
    end(client, one, first)
    end(client, two, second)
    ended.result()
    assert ran.reply["status"] == "ok", ran.reply
    (said,) = ran.of("stream")
    ticks, *states = said["text"].split()
    assert states == ["cancelled", "cancelled"]
    assert int(ticks) > 5  # a wait of the thread's would leave it at one


def test_an_awaited_job_is_its_circuit_or_raises_what_it_failed_with(
    client: CircuitClient, world: World, kernel: Kernel
) -> None:
    request = DiscoverRequest(model=str(world.model), dataset=world.pairs, method="eap", n_edges=9)
    circuit = run_here(client, request).result()
    ran = kernel.run(f"await client.job('{circuit.job_id}')")
    assert ran.of("display_data") == [], "it had ended"
    (shown,) = ran.of("execute_result")
    assert shown["data"]["text/plain"] == repr(circuit)
    assert "<svg" in shown["data"]["text/html"]
    job, token = at_work(client, world, 45)
    end(client, job, token)
    failed = kernel.run(f"await client.job('{job.job_id}')")
    assert failed.reply["ename"] == "JobCancelled"
    assert job.job_id in failed.reply["evalue"]
