"""A job in shards: the same job as in one piece, whatever becomes of its shards on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from prometheus_client.core import GaugeMetricFamily

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents.jobs import JobState, ShardSpec, read_spec
from graph_schema.errors import JobFailed, NumericsError, SpecError
from graph_schema.store import jobs
from graph_schema.store.jobs.board import count_by_state, read_page
from graph_schema.store.records.newest import newest_jobs
from tests.workers.client.test_job import claimed
from tests.workers.tiny import until
from tests.workers.world import World, write_lines
from workers.client import CircuitClient, Job
from workers.job.checkpoints import checkpoint_key, load_sealed, save_sealed
from workers.job.lease import error_document
from workers.requests.discover import DiscoverRequest, build_submission
from workers.requests.shards import sharded
from workers.running.inline import do_here, run_here
from workers.running.metrics import Metrics


def asked(world: World, seed: int, **more: Any) -> DiscoverRequest:
    given: dict[str, Any] = {"method": "eap", "n_edges": 20, "seed": seed} | more
    return DiscoverRequest(model=str(world.model), dataset=world.pairs, **given)


def done(client: CircuitClient, request: DiscoverRequest, *, force: bool = False) -> Job:
    """The job of a request, with its shards, done in this process."""
    settings = client.settings
    return do_here(client, build_submission(request, settings.limits, settings.cache_dir), force)


def shards(client: CircuitClient, job: Job) -> list[Job]:
    """In the order of the pairs."""
    return [client.job(need.job_id) for need in job.refresh().record.needs]


def states(client: CircuitClient, job: Job) -> list[str]:
    return [each.state.value for each in shards(client, job)]


def test_it_finds_what_the_job_finds_in_one_piece(client: CircuitClient, world: World) -> None:
    one = run_here(client, asked(world, 1))
    whole, scores = one.result(), one.result().scores()
    client.delete(whole.circuit_id)
    job = done(client, asked(world, 1, shards=3))
    assert job.job_id == one.job_id
    found = job.result()
    assert found.circuit_id == whole.circuit_id
    assert [edge.name for edge in found.edges] == [edge.name for edge in whole.edges]
    again = found.scores()
    assert (again.names == scores.names).all()
    largest = float(np.abs(scores.scores).max())
    np.testing.assert_allclose(again.scores, scores.scores, atol=1e-5 * largest, rtol=0)
    specs = [read_spec(each.record.spec) for each in shards(client, job)]
    assert [each.index for each in specs if isinstance(each, ShardSpec)] == [0, 1, 2]
    assert states(client, job) == ["succeeded"] * 3
    assert found.run is not None
    assert found.run.cpu_seconds["shards"] > 0
    left = [file.key for file in client.service.artifacts.files() if job.job_id in file.key]
    assert left == [], "what the shards found is in the job's own artifacts now"

    shard = shards(client, job)[1]
    assert "shard 2 of 3 is scored" in str(shard.outcome(progress=False))
    before = [each.record.finished_at for each in shards(client, job)]
    assert client.submit_request(asked(world, 1, shards=5)).state is JobState.SUCCEEDED
    assert [each.record.finished_at for each in shards(client, job)] == before
    forced = done(client, asked(world, 1, shards=3), force=True)
    assert forced.state is JobState.SUCCEEDED
    assert [each.record.finished_at for each in shards(client, forced)] > before

    deletion = client.deletion(job.job_id)
    assert set(deletion.jobs) == {job.job_id, *(each.job_id for each in shards(client, job))}
    client.delete(job.job_id)
    assert jobs.known(client.service.store, deletion.jobs) == ()


def test_shards_are_listed_where_they_are_asked_for(client: CircuitClient, world: World) -> None:
    store = client.service.store
    counts = count_by_state(store)[JobState.QUEUED]
    job = client.submit_request(asked(world, 2, shards=4))
    assert count_by_state(store)[JobState.QUEUED] == counts + 1
    metrics, told = Metrics(store, dict), dict[str, GaugeMetricFamily]()

    def answered() -> bool:
        told.update({each.name: each for each in metrics.collect()})
        return "circuits_jobs" in told

    until(answered)
    states_told = {each.labels["state"]: each.value for each in told["circuits_jobs"].samples}
    n_queued = states_told["queued"]
    assert n_queued == len(store.rows("MATCH (j:Job {state: 'queued'}) RETURN j.job_id"))
    assert n_queued >= counts + 5
    own = {each.job_id for each in shards(client, job)}
    assert client.job("last").job_id == job.job_id
    assert job.job_id in {each.job_id for each in client.jobs("queued")}
    assert own.isdisjoint(each.job_id for each in client.jobs())
    page = read_page(store, state=JobState.QUEUED, older_than=None, limit=100)
    assert own.isdisjoint(each.job_id for each in page)
    assert own.isdisjoint(each["id"] for each in newest_jobs(store, "", 500))
    first = min(own)
    assert newest_jobs(store, first, 500) == []
    assert [each["id"] for each in newest_jobs(store, first, 500, "shard")] == [first]
    assert own == {each.job_id for each in client.jobs("queued", kind="shard")}
    assert {each.record.kind for each in client.jobs(kind="shard", model=str(world.model))} == {
        "shard"
    }
    with pytest.raises(SpecError, match="unknown kind 'shart'; did you mean 'shard'"):
        client.jobs(kind="shart")
    assert client.service.shards_done([job.record]) == {job.job_id: "0 of 4 shards scored"}
    job.cancel()


def test_cancelling_it_ends_its_shards(client: CircuitClient, world: World) -> None:
    job = client.submit_request(asked(world, 3, shards=3))
    other = client.submit_request(asked(world, 4, shards=2))
    token = claimed(client, shards(client, job)[1])
    job.cancel()
    assert job.state is JobState.CANCELLED
    assert states(client, job) == ["cancelled", "running", "cancelled"]
    assert states(client, other) == ["queued", "queued"]
    running = shards(client, job)[1].job_id
    assert jobs.renew(client.service.store, running, token, lease=3600.0).cancel_requested
    jobs.stop(client.service.store, running, token)

    again = client.submit_request(asked(world, 3, shards=3))
    assert again.state is JobState.QUEUED
    assert states(client, again) == ["queued"] * 3
    again.cancel()
    other.cancel()


def test_a_shard_that_fails_fails_it_and_ends_the_others(
    client: CircuitClient, world: World
) -> None:
    job = client.submit_request(asked(world, 5, shards=3))
    store = client.service.store
    first, second, _ = shards(client, job)
    token = claimed(client, first)
    jobs.finish(store, first.job_id, token, lambda tx: None, ())
    token = claimed(client, second)
    error = SpecError("as it happens")
    jobs.fail(store, second.job_id, token, error_document(error))
    assert states(client, job) == ["succeeded", "failed", "cancelled"]
    assert job.state is JobState.FAILED
    with pytest.raises(JobFailed, match="which failed: SpecError: as it happens"):
        job.result()
    rerun = client.sweep(
        models=str(world.model), tasks=str(world.pairs), methods="eap", edges=20, seeds=5, shards=3
    )
    assert rerun.jobs[0].job_id == job.job_id
    rerun.rerun()
    assert states(client, job) == ["succeeded", "queued", "queued"], "what is done is not redone"
    job.cancel()


def test_a_live_job_keeps_its_number_of_shards(
    client: CircuitClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    request = asked(world, 6, shards=2)
    job = client.submit_request(request)
    n_jobs = len(client.service.records([each.job_id for each in client.jobs(kind="shard")]))
    again = client.submit_request(replace(request, shards=5, priority=9))
    assert "waits already" in caplog.text
    assert "shards is 2, not 5" in caplog.text
    assert len(client.jobs(kind="shard")) == n_jobs, "no shard of five"
    assert states(client, again) == ["queued", "queued"]
    client.submit_request(replace(request, priority=9))
    assert all('"priority":9' in each.record.placement for each in (job, *shards(client, job)))

    assert done(client, replace(request, shards=1)).state is JobState.SUCCEEDED
    assert states(client, job) == ["succeeded"] * 2


def test_one_piece_stays_one_piece(client: CircuitClient, world: World) -> None:
    job = client.submit_request(asked(world, 7))
    assert client.submit_request(asked(world, 7, shards=3)).record.needs == ()
    assert done(client, asked(world, 7, shards=3)).record.needs == ()
    assert job.refresh().state is JobState.SUCCEEDED


def scored(client: CircuitClient, job: Job, request: DiscoverRequest) -> None:
    """Do the shards, and not the job."""
    settings = client.settings
    submission = build_submission(request, settings.limits, settings.cache_dir)
    for each in submission.before:
        assert do_here(client, each).state is JobState.SUCCEEDED
    assert job.refresh().state is JobState.QUEUED


def test_where_parts_are_gone_the_job_scores_all_itself(
    client: CircuitClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    request = asked(world, 8, shards=3)
    job = client.submit_request(request)
    scored(client, job, request)
    client.service.artifacts.delete(checkpoint_key(job.job_id, "shard-1-of-3"))
    assert done(client, request).state is JobState.SUCCEEDED
    assert "scores all pairs itself: the scores of 1 of its 3 shards are not there" in caplog.text
    found = job.refresh().result()
    assert found.run is not None
    assert "shards" not in found.run.cpu_seconds


def test_a_part_of_other_pairs_is_not_added(client: CircuitClient, world: World) -> None:
    """As a worker of another release may write it."""
    request = asked(world, 9, shards=2)
    job = client.submit_request(request)
    scored(client, job, request)
    artifacts, key = client.service.artifacts, checkpoint_key(job.job_id, "shard-1-of-2")
    arrays = _arrays(artifacts, key)
    arrays["pairs"] = arrays["pairs"] + np.array([1, 0, 0])
    save_sealed(artifacts, key, arrays)
    ended = done(client, request)
    with pytest.raises(NumericsError, match="once: submit the job again"):
        ended.result()
    assert done(client, request, force=True).state is JobState.SUCCEEDED


def _arrays(artifacts: ArtifactStore, key: str) -> dict[str, Any]:
    found = load_sealed(artifacts, key)
    assert found is not None
    return dict(found)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"shards": 0}, "shards"),
        ({"shards": -2}, "shards"),
        ({"shards": 300}, "there are 32 pairs"),
        ({"shards": 33}, "there are 32 pairs"),
        ({"shards": 2, "method": "acdc", "n_edges": None, "threshold": 0.1}, "acdc decides edge"),
    ],
)
def test_what_cannot_be_parted_is_refused_before_anything_is_stored(
    client: CircuitClient, world: World, more: dict[str, Any], why: str
) -> None:
    before = len(client.jobs(limit=500)), len(client.jobs(limit=500, kind="shard"))
    with pytest.raises(SpecError, match=why):
        client.submit_request(asked(world, 10, **more))
    assert (len(client.jobs(limit=500)), len(client.jobs(limit=500, kind="shard"))) == before


def test_held_out_pairs_are_not_parted(client: CircuitClient, world: World) -> None:
    lines = [
        line | {"split": "discovery" if n < 20 else "heldout"}
        for n, line in enumerate(world.lines())
    ]
    file = write_lines(world.pairs.with_name("split.jsonl"), lines)
    request = replace(asked(world, 13, shards=21), dataset=file)
    with pytest.raises(SpecError, match="there are 20 pairs to discover on: ask for 20 at most"):
        client.submit_request(request)
    job = client.submit_request(replace(request, shards=20))
    assert len(shards(client, job)) == 20
    job.cancel()


def test_a_job_is_done_here_in_one_piece(client: CircuitClient, world: World) -> None:
    with pytest.raises(SpecError, match="shards is 2, which are for several workers"):
        run_here(client, asked(world, 11, shards=2))


def test_one_shard_is_the_plain_request(client: CircuitClient, world: World) -> None:
    settings = client.settings
    plain = build_submission(asked(world, 12), settings.limits, settings.cache_dir)
    assert sharded(plain) is plain
    assert "shards" not in plain.placement.canonical_json()
    parted = build_submission(asked(world, 12, shards=2), settings.limits, settings.cache_dir)
    assert parted.spec == plain.spec
    assert sharded(parted) == parted
