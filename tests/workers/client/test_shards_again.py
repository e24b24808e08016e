"""A job asked for again in another number of shards: what begins anew, and what is left alone."""

from __future__ import annotations

import pytest

from graph_schema.documents.jobs import JobState
from graph_schema.errors import ResourceError, SpecError
from graph_schema.store import jobs
from tests.workers.client.test_job import claimed
from tests.workers.client.test_shards import asked, done, states
from tests.workers.world import World
from workers.client import CircuitClient, submitting
from workers.job.lease import error_document


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
