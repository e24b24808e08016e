"""A job that goes back to the queue, on every server: uncharged, and put off by what may pass."""

from __future__ import annotations

import pytest

from graph_schema.documents.jobs import ErrorDocument, JobState
from graph_schema.errors import LeaseLost
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.aged import HOUR, aged
from tests.at_once import at_once
from tests.graph_schema.store.test_jobs import (
    FULL,
    LONG,
    PLACEMENT,
    a_spec,
    claim,
    nothing,
    queued,
    state,
)

FULL_DISK = ErrorDocument(type="ResourceError", message="no room")
PATIENT = jobs.Patience(tries=3, seconds=3600, pause=10)


def put_off(store: GraphStore, job_id: str, patience: jobs.Patience = PATIENT) -> int:
    """The seconds until the job is tried again, which began and met an error that may pass."""
    assert claim(store, job_id, "t")
    jobs.put_off(store, job_id, "t", FULL_DISK, patience)
    record = jobs.get(store, job_id)
    assert record.state is JobState.QUEUED
    assert record.retry_at is not None
    (row,) = store.rows("MATCH (j:Job {job_id: $id}) RETURN j.sent_at AS at", id=job_id)
    return round((record.retry_at - row["at"]) / 1000)


def test_a_graceful_release_is_not_charged(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "t")
    assert jobs.release(store, job_id, "t").send == (job_id,)
    record = jobs.get(store, job_id)
    assert (record.state, record.attempts, record.owner) == (JobState.QUEUED, 0, None)
    with pytest.raises(LeaseLost):
        jobs.renew(store, job_id, "t", lease=LONG)


def test_pauses_grow_and_what_passes_within_the_time_loses_no_job(store: GraphStore) -> None:
    job_id, waited, pauses = queued(store), 0, list[int]()
    while waited < 3600:
        pauses.append(put_off(store, job_id))
        record = jobs.get(store, job_id)
        assert (record.attempts, record.put_off, record.error) == (0, len(pauses), FULL_DISK)
        aged(store, job_id, pauses[-1])
        waited += pauses[-1]
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]
    assert claim(store, job_id, "t")
    assert jobs.get(store, job_id).error is None, "the old one is no news of one that runs"
    jobs.finish(store, job_id, "t", nothing, [])
    assert state(store, job_id) is JobState.SUCCEEDED


def test_what_does_not_pass_fails_after_enough_tries_and_time(store: GraphStore) -> None:
    short, rare = queued(store), queued(store)
    for _ in range(4):
        aged(store, short, put_off(store, short))  # often, and all within minutes
    put_off(store, rare)
    aged(store, rare)
    put_off(store, rare)  # long after the first, and only the second
    for each in (short, rare):
        aged(store, each)
        assert claim(store, each, "t")
        assert jobs.put_off(store, each, "t", FULL_DISK, PATIENT).action is jobs.Action.FAILED
        record = jobs.get(store, each)
        assert (record.state, record.error, record.retry_at) == (JobState.FAILED, FULL_DISK, None)


def test_what_was_first_put_off_by_a_clock_that_was_ahead_ends(store: GraphStore) -> None:
    job_id = queued(store)
    put_off(store, job_id)
    aged(store, job_id, -10 * HOUR)  # as if the clock had been set back by so much
    aged(store, job_id, put_off(store, job_id))  # at once: no pause runs until then
    put_off(store, job_id)
    aged(store, job_id)
    assert claim(store, job_id, "t")
    assert jobs.put_off(store, job_id, "t", FULL_DISK, PATIENT).action is jobs.Action.FAILED


def test_a_second_message_does_not_end_a_pause(store: GraphStore) -> None:
    job_id = queued(store)
    pause = put_off(store, job_id)
    assert not claim(store, job_id, "at once")
    assert jobs.get(store, job_id).error == FULL_DISK, "it still says what it waits for"
    aged(store, job_id, pause)
    assert claim(store, job_id, "later")


def test_tries_that_were_put_off_are_not_taken_for_deaths(store: GraphStore) -> None:
    job_id = queued(store)
    for _ in range(3):
        aged(store, job_id, put_off(store, job_id))
    assert claim(store, job_id, "dead")
    aged(store, job_id)
    settled = jobs.settle(store, job_id, resend=10, max_attempts=3)
    assert settled.action is jobs.Action.SEND
    assert jobs.get(store, job_id).attempts == 1


def test_a_job_that_is_put_off_is_cancelled_at_once(store: GraphStore) -> None:
    job_id = queued(store)
    put_off(store, job_id)
    assert jobs.cancel(store, job_id)[0].state is JobState.CANCELLED
    aged(store, job_id)
    assert job_id not in jobs.overdue(store, resend=0, depths={})


def test_a_job_that_is_put_off_is_sent_at_once_to_who_asks_again(store: GraphStore) -> None:
    spec = a_spec()
    job_id = jobs.submit(store, spec, PLACEMENT).record.job_id
    put_off(store, job_id)
    asked = at_once(3, lambda _: jobs.submit(store, spec, PLACEMENT))
    sent = [each.send for each in asked if not isinstance(each, BaseException)]
    assert sorted(sent) == [False, False, True]
    assert jobs.get(store, job_id).retry_at is None
    assert put_off(store, job_id) == 20, "it was put off before all the same"


def test_a_job_begun_anew_has_all_its_time(store: GraphStore) -> None:
    spec = a_spec()
    job_id = jobs.submit(store, spec, PLACEMENT).record.job_id
    put_off(store, job_id)
    jobs.cancel(store, job_id)
    assert jobs.submit(store, spec, PLACEMENT, force=True).send
    assert jobs.get(store, job_id).put_off == 0
    assert put_off(store, job_id) == 10


def test_a_retry_has_its_own_time_however_full_the_queue_is(store: GraphStore) -> None:
    job_id = queued(store)
    put_off(store, job_id)
    assert jobs.overdue(store, resend=0, depths={}) == (), "it is to wait, and has no message"
    assert jobs.settle(store, job_id, resend=LONG, max_attempts=3).action is jobs.Action.NONE
    aged(store, job_id)
    assert jobs.overdue(store, resend=LONG, depths={"cpu": FULL}) == (job_id,)
    assert jobs.settle(store, job_id, resend=LONG, max_attempts=3).send == (job_id,)
    assert jobs.overdue(store, resend=LONG, depths={"cpu": FULL}) == ()
    assert claim(store, job_id, "again")
