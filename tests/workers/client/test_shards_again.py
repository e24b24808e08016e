"""A job asked for again in another number of shards: what begins anew, and what is left alone."""

from __future__ import annotations

import pytest
from neo4j import Transaction

from graph_schema.documents.jobs import JobState
from graph_schema.errors import ResourceError, SpecError
from graph_schema.store import jobs
from graph_schema.store.batches import lots
from tests.workers.client.test_job import claimed
from tests.workers.client.test_shards import asked, done, shards, states
from tests.workers.world import World
from workers.client import CircuitClient, submitting
from workers.client.clearing import DAY, clear
from workers.client.service import Service
from workers.job.lease import error_document
from workers.requests.discover import build_submission


@pytest.mark.parametrize(("first", "then"), [(1, 3), (2, 3), (3, 1)])
def test_a_cancelled_job_begins_anew_in_another_number(
    client: CircuitClient, world: World, first: int, then: int
) -> None:
    seed = 100 + 10 * first + then
    client.submit_request(asked(world, seed, shards=first)).cancel()
    again = client.submit_request(asked(world, seed, shards=then))
    assert again.state is JobState.QUEUED, again.record.error
    assert states(client, again) == (["queued"] * then if then > 1 else [])
    again.cancel()
    back = client.submit_request(asked(world, seed, shards=2))
    assert back.state is JobState.QUEUED, back.record.error
    assert states(client, back) == ["queued"] * 2
    back.cancel()


def test_a_failed_one_does_too(client: CircuitClient, world: World) -> None:
    job = client.submit_request(asked(world, 141))
    error = error_document(ResourceError("no memory"))
    jobs.fail(client.service.store, job.job_id, claimed(client, job), error)
    again = client.submit_request(asked(world, 141, shards=3))
    assert again.state is JobState.QUEUED, again.record.error
    assert states(client, again) == ["queued"] * 3
    again.cancel()


def test_what_failed_for_good_gets_no_shards(client: CircuitClient, world: World) -> None:
    job = client.submit_request(asked(world, 143))
    error = error_document(SpecError("as it happens"))
    jobs.fail(client.service.store, job.job_id, claimed(client, job), error)
    before = {each.job_id for each in client.jobs(kind="shard", limit=500)}
    again = client.submit_request(asked(world, 143, shards=3))
    assert again.state is JobState.FAILED
    assert {each.job_id for each in client.jobs(kind="shard", limit=500)} == before
    forced = client.submit_request(asked(world, 143, shards=3), force=True)
    assert states(client, forced) == ["queued"] * 3
    forced.cancel()


def test_forced_it_waits_for_shards_of_another_transaction(
    client: CircuitClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.submit_request(asked(world, 142)).cancel()
    monkeypatch.setattr(submitting, "AT_ONCE", 2)
    forced = client.submit_request(asked(world, 142, shards=2), force=True)
    assert forced.state is JobState.QUEUED, forced.record.error
    assert done(client, asked(world, 142, shards=2)).state is JobState.SUCCEEDED
    assert states(client, forced) == ["succeeded"] * 2


@pytest.mark.parametrize("at_once", [250, 2])
def test_who_comes_second_at_the_same_moment_leaves_no_shards(
    client: CircuitClient, world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Both look what is there before either has written anything."""
    store, settings = client.service.store, client.settings
    seed = 1450 + at_once
    winner, loser = (
        build_submission(asked(world, seed, shards=n), settings.limits, settings.cache_dir)
        for n in (2, 3)
    )
    first, second = (submitting.in_order(store, [each], False) for each in (winner, loser))
    for batch in lots(first, at_once):
        submitting.submit_batch(store, batch)
    running, token = None, ""
    for batch in lots(second, at_once):
        made = submitting.submit_batch(store, batch)
        if loser.spec.job_id not in made and running is None:  # its first shards may be at work
            running = client.job(batch[0].submission.spec.job_id)
            token = claimed(client, running)
        elif loser.spec.job_id in made:
            assert not any(each.send for each in made.values())
    job = client.job(winner.spec.job_id)
    assert states(client, job) == ["queued"] * 2
    left = [client.job(each.spec.job_id) for each in loser.before]
    if running is not None:
        assert left[0].state is JobState.RUNNING
        assert jobs.renew(store, running.job_id, token, lease=3600.0).cancel_requested
        jobs.stop(store, running.job_id, token)
        left = left[1:]
    assert {each.state for each in left} == {JobState.CANCELLED}
    job.cancel()


def test_shards_of_every_number_go_with_their_job(client: CircuitClient, world: World) -> None:
    job = client.submit_request(asked(world, 144, shards=2))
    two = shards(client, job)
    for each in two:
        jobs.finish(client.service.store, each.job_id, claimed(client, each), _nothing, ())
    job.cancel()
    job = client.submit_request(asked(world, 144, shards=3))
    three = {each.job_id for each in shards(client, job)}
    job.cancel()
    assert set(client.deletion(job.job_id).jobs) == {job.job_id, *three, *(e.job_id for e in two)}
    client.delete(job.job_id)
    job = client.submit_request(asked(world, 144, shards=2))
    assert states(client, job) == ["queued"] * 2
    job.cancel()


def test_shards_that_outlived_their_job_are_done_anew(client: CircuitClient, world: World) -> None:
    """As one that is deleted half-way leaves them."""
    job = client.submit_request(asked(world, 145, shards=2))
    for each in shards(client, job):
        jobs.finish(client.service.store, each.job_id, claimed(client, each), _nothing, ())
    job.cancel()
    assert jobs.remove(client.service.store, job.job_id)
    again = client.submit_request(asked(world, 145, shards=2))
    assert states(client, again) == ["queued"] * 2
    again.cancel()


def test_the_end_of_a_job_is_that_of_shards_that_it_does_not_need(
    client: CircuitClient, world: World
) -> None:
    """As another who asked at the same moment for another number left them."""
    request = asked(world, 146, shards=3)
    submission = build_submission(request, client.settings.limits, client.settings.cache_dir)
    spare = submission.before[0]
    jobs.submit(client.service.store, spare.spec, spare.placement)
    job = client.submit_request(asked(world, 146))
    job.cancel()
    assert client.job(spare.spec.job_id).state is JobState.CANCELLED


def test_gc_of_a_failed_job_takes_its_shards(client: CircuitClient, world: World) -> None:
    store = client.service.store
    job = client.submit_request(asked(world, 147, shards=3))
    first, second, third = shards(client, job)
    jobs.finish(store, first.job_id, claimed(client, first), _nothing, ())
    client.tag(third.job_id, "mine")
    job.cancel()
    ids = [job.job_id, first.job_id, second.job_id, third.job_id]
    back = "MATCH (j:Job) WHERE j.job_id IN $ids SET j.finished_at = j.finished_at - $ms"
    ms = int(40 * DAY * 1000)
    store.write(lambda tx: tx.run(back, ids=ids, ms=ms).consume())
    given = {"keep_failed_days": 30, "artifacts": client.settings.artifacts_url}
    settings = client.settings.model_copy(update=given)
    keeper = Service(settings, store.address, store)
    assert set(clear(keeper, dry_run=True).jobs.names) == set(ids[:3])
    assert set(clear(keeper, dry_run=False).jobs.names) == set(ids[:3])
    assert jobs.known(store, ids) == (third.job_id,)


def _nothing(tx: Transaction) -> None:
    """No result: a shard's is a file."""
