"""A sweep is one handle on its jobs: one table, ended together, and what failed run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph_schema.documents.jobs import ErrorDocument, JobState, Need
from graph_schema.errors import SpecError
from graph_schema.store import jobs
from tests.servers import EMPTY
from tests.workers.client.test_job import claimed
from tests.workers.world import World
from workers.client import CircuitClient, Job, Sweep
from workers.client.many import ManyJobs
from workers.requests.discover import DiscoverRequest, Submission, build_submission
from workers.running.inline import do_here

FULL = ErrorDocument(type="ResourceError", message="no room")
BROKE = ErrorDocument(type="NonFiniteError", message="a score is NaN")


@pytest.fixture(autouse=True)
def _nothing_stored(client: CircuitClient) -> None:
    client.service.store.write(lambda tx: tx.run(EMPTY).consume())


def swept(client: CircuitClient, world: World, **more: Any) -> Sweep:
    return client.sweep(
        models=str(world.model),
        tasks=str(world.pairs),
        methods=["eap", {"name": "eap-ig", "steps": 2}],
        edges=20,
        seeds=[0, 1],
        **more,
    )


def failed(client: CircuitClient, job: Job) -> None:
    """Have a worker's attempt at it end badly."""
    jobs.fail(client.service.store, job.job_id, claimed(client, job), BROKE)


def one(client: CircuitClient, world: World) -> Submission:
    """The sweep's first job, as a single request."""
    request = DiscoverRequest(
        model=str(world.model), dataset=world.pairs, n_edges=20, method="eap", seed=0
    )
    return build_submission(request, client.settings.limits, client.settings.cache_dir)


def succeeded(client: CircuitClient, job: Job) -> None:
    """Have a worker end it well, without a circuit."""
    token = claimed(client, job)
    jobs.finish(client.service.store, job.job_id, token, lambda _: None, [])


def test_the_same_sweep_again_finds_its_jobs_and_asks_for_nothing_twice(
    client: CircuitClient, world: World
) -> None:
    assert [row["state"] for row in swept(client, world, submit=False).table()] == ["missing"] * 4
    record = client.service.submit(one(client, world), force=False)  # somebody's single request
    succeeded(client, Job(client, record))
    first = swept(client, world)
    assert first.states() == {"queued": 3, "succeeded": 1}
    again = swept(client, world)
    assert again.sweep_id == first.sweep_id
    assert [job.job_id for job in again.jobs] == [job.job_id for job in first.jobs]
    assert len(client.jobs()) == 4
    assert [job.record.submitted_at for job in again.jobs] == [
        job.record.submitted_at for job in first.jobs
    ]
    urgent = swept(client, world, priority=9)
    assert all('"priority":9' in job.record.placement for job in urgent.jobs[1:])


def test_its_table_is_there_before_it_has_ended(client: CircuitClient, world: World) -> None:
    sweep = swept(client, world)
    do_here(client, one(client, world))
    failed(client, sweep.jobs[1])
    claimed(client, sweep.jobs[2])
    token = claimed(client, last := sweep.jobs[3])
    jobs.put_off(client.service.store, last.job_id, token, FULL, jobs.Patience())
    table = sweep.refresh().table()
    first, second, third, fourth = table
    assert table.columns[:6] == ("model", "task", "method", "edges", "seed", "state")
    assert [row["state"] for row in table] == ["succeeded", "failed", "running", "queued"]
    assert (first["method"], third["method"]) == ("eap", "eap-ig steps=2")
    circuit = client.circuit(first["circuit"])
    assert (first["n_edges"], first["seed"], first["edges"]) == (circuit.n_edges, 0, 20)
    assert circuit.evaluation is not None
    assert first["heldout_faithfulness"] == circuit.evaluation.heldout_faithfulness.value
    assert second["why"] == "NonFiniteError: a score is NaN"
    assert fourth["circuit"] is fourth["why"] is None
    assert sweep.to_json()["rows"][0]["circuit"] == circuit.circuit_id
    assert len(table.to_pandas()) == 4


def test_what_failed_or_was_cancelled_is_run_again_and_nothing_else(
    client: CircuitClient, world: World
) -> None:
    sweep = swept(client, world)
    succeeded(client, sweep.jobs[0])
    failed(client, sweep.jobs[1])
    sweep.cancel()
    assert sweep.states() == {"succeeded": 1, "failed": 1, "cancelled": 2}
    assert sweep.ended
    assert sweep.failed == 3
    untouched = swept(client, world)
    assert untouched.states() == sweep.states()
    before = sweep.jobs[0].record
    assert sweep.rerun().states() == {"queued": 3, "succeeded": 1}
    assert client.job(before.job_id).record == before
    assert [job.error for job in sweep.jobs] == [None] * 4


def test_waiting_for_it_can_be_given_up_and_shows_what_runs(
    client: CircuitClient,
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    sweep = swept(client, world, name="mine")
    failed(client, sweep.jobs[0])
    claimed(client, sweep.jobs[1])
    with pytest.raises(TimeoutError, match=r"3 of 4 jobs have not ended after 0\.5 s"):
        sweep.wait(timeout=0.5)
    seen = capsys.readouterr().err
    assert f"sweep mine: jobs (discover of {world.model.name})" in seen
    assert "1/4" in seen
    sweep.cancel()
    token = client.service.store.rows("MATCH (j:Job {state: 'running'}) RETURN j.token AS t")
    jobs.stop(client.service.store, sweep.jobs[1].job_id, token[0]["t"])
    assert sweep.wait(timeout=60).states() == {"failed": 1, "cancelled": 3}


def submission(world: World, client: CircuitClient, seed: int, *needs: Submission) -> Submission:
    request = DiscoverRequest(
        model=str(world.model), dataset=world.pairs, method="eap", n_edges=20, seed=seed
    )
    made = build_submission(request, client.settings.limits, client.settings.cache_dir)
    return replace(made, needs=tuple(Need(job_id=each.spec.job_id) for each in needs))


def test_a_failed_need_is_named_and_run_again_before_what_needs_it(
    client: CircuitClient, world: World
) -> None:
    root = submission(world, client, 100)
    middle = submission(world, client, 101, root)
    last = replace(submission(world, client, 102, middle), before=(root, middle))
    records = client.service.submit_many([last])
    failed(client, client.job(root.spec.job_id))
    found = ManyJobs(client, "line", [last], records).refresh()
    (job,) = found.jobs
    assert (job.state, job.record.failed_need) == (JobState.FAILED, root.spec.job_id)
    assert f"because job {root.spec.job_id[:12]} did: NonFiniteError: a score is" in str(job.error)
    assert found.rerun().states() == {"queued": 1}
    line = client.service.records([each.spec.job_id for each in (root, middle, last)])
    assert [record.state for record in line] == [JobState.QUEUED] * 3
    assert {record.failed_need for record in line} == {None}
    store = client.service.store
    for job_id, free in ((root.spec.job_id, middle), (middle.spec.job_id, last)):
        token = claimed(client, client.job(job_id))
        assert jobs.finish(store, job_id, token, lambda _: None, []) == (free.spec.job_id,)


def test_nothing_is_sent_of_a_sweep_that_is_wrong(client: CircuitClient, world: World) -> None:
    with pytest.raises(SpecError, match=r"methods\[1\]: unknown method 'eep'"):
        client.sweep(
            models=str(world.model), tasks=str(world.pairs), methods=["eap", "eep"], edges=20
        )
    with pytest.raises(SpecError, match="unknown key 'edgse'"):
        client.sweep(models=str(world.model), tasks=str(world.pairs), edgse=20)
    assert client.jobs() == []


def test_a_file_says_it_and_an_argument_stands_in_its_place(
    client: CircuitClient, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"models: {world.model}\ntasks: {world.pairs}\nmethods: eap\nedges: 20\n")
    sweep = client.sweep(file, seeds=[0, 1], submit=False)
    assert (sweep.name, sweep.missing) == ("mine", 2)
    assert sweep.sweep_id == client.sweep(file, seeds=[1, 0], submit=False).sweep_id
