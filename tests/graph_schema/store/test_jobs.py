"""A job's transitions, one after another and at once, on every server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import pytest
from neo4j import Transaction

from graph_schema.documents import DatasetData, Eap, ModelId, ModelSource, TopEdges
from graph_schema.documents.jobs import (
    DiscoverSpec,
    ErrorDocument,
    JobProgress,
    JobState,
    Need,
    Placement,
)
from graph_schema.errors import LeaseLost, NotFoundError, SpecError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.aged import aged
from tests.at_once import at_once

PLACEMENT = Placement(model=ModelSource(name="/models/tiny"))
BROKE = ErrorDocument(type="NonFiniteError", message="a score is NaN")
LONG = 600.0
FULL = 10**6

_seeds = itertools.count(int(time.time() * 1000) % 2**31)


def a_spec() -> DiscoverSpec:
    return DiscoverSpec(
        model=ModelId(fingerprint="ab" * 32),
        data=DatasetData(sha256="cd" * 32, task="made"),
        method=Eap(),
        selection=TopEdges(n_edges=5),
        seed=next(_seeds),
    )


def queued(store: GraphStore, needs: Sequence[Need] = ()) -> str:
    return jobs.submit(store, a_spec(), PLACEMENT, needs=needs).record.job_id


def claim(store: GraphStore, job_id: str, token: str, max_attempts: int = 3) -> bool:
    record = jobs.claim(
        store, job_id, token, owner=f"owner of {token}", lease=LONG, max_attempts=max_attempts
    )
    return record is not None


def state(store: GraphStore, job_id: str) -> JobState:
    return jobs.get(store, job_id).state


def nothing(tx: Transaction) -> None:
    return None


def test_one_of_eight_submitters_sends(store: GraphStore) -> None:
    for _ in range(3):
        spec = a_spec()
        got = at_once(8, lambda _, spec=spec: jobs.submit(store, spec, PLACEMENT).send)
        assert sorted(got, key=str) == [False] * 7 + [True]


def test_one_of_eight_claimers_wins(store: GraphStore) -> None:
    for _ in range(5):
        job_id = queued(store)
        got = at_once(8, lambda index, job_id=job_id: claim(store, job_id, f"token{index}"))
        assert sorted(got, key=str) == [False] * 7 + [True]
        record = jobs.get(store, job_id)
        assert record.owner == f"owner of token{got.index(True)}"
        assert record.attempts == 1


def test_one_of_eight_claimers_wins_a_lapsed_job(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "dead")
    aged(store, job_id)
    got = at_once(8, lambda index: claim(store, job_id, f"token{index}"))
    assert sorted(got, key=str) == [False] * 7 + [True]


def test_one_of_eight_finishes_writes(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "slow")
    aged(store, job_id)
    assert claim(store, job_id, "token0")

    def finish(index: int) -> tuple[str, ...]:
        def write(tx: Transaction) -> None:
            tx.run("CREATE (:Written {job_id: $id, by: $by})", id=job_id, by=index).consume()

        return jobs.finish(store, job_id, "token0" if index == 0 else "slow", write, ["c" * 64])

    got = at_once(8, finish)
    assert got[0] == ()
    assert all(isinstance(error, LeaseLost) for error in got[1:])
    rows = store.rows("MATCH (w:Written {job_id: $id}) RETURN w.by AS by", id=job_id)
    assert rows == [{"by": 0}]


def test_claiming_again_by_the_same_token_changes_nothing(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "t")
    before = jobs.get(store, job_id)
    assert claim(store, job_id, "t")
    assert jobs.get(store, job_id) == before


def test_a_second_submission_is_the_same_job_and_is_not_sent(store: GraphStore) -> None:
    spec = a_spec()
    assert jobs.submit(store, spec, PLACEMENT).send
    assert claim(store, spec.job_id, "t")
    again = jobs.submit(store, spec, PLACEMENT, force=True)
    assert not again.send
    assert again.record.state is JobState.RUNNING


def test_force_starts_an_ended_job_anew_under_its_id_once(store: GraphStore) -> None:
    spec = a_spec()
    jobs.submit(store, spec, PLACEMENT)
    assert claim(store, spec.job_id, "t")
    jobs.fail(store, spec.job_id, "t", BROKE)
    assert not jobs.submit(store, spec, PLACEMENT).send
    got = at_once(4, lambda _: jobs.submit(store, spec, PLACEMENT, force=True).send)
    assert sorted(got, key=str) == [False] * 3 + [True]
    record = jobs.get(store, spec.job_id)
    assert (record.state, record.attempts, record.error) == (JobState.QUEUED, 0, None)
    with pytest.raises(LeaseLost):
        jobs.renew(store, spec.job_id, "t", lease=LONG)


def test_a_renewal_brings_progress_there_and_the_cancel_flag_back(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "t")
    progress = JobProgress(stage="scores", done=2, total=8)
    assert not jobs.renew(store, job_id, "t", lease=LONG, progress=progress).cancel_requested
    assert jobs.get(store, job_id).progress == progress
    jobs.cancel(store, job_id)
    assert state(store, job_id) is JobState.RUNNING
    assert jobs.renew(store, job_id, "t", lease=LONG).cancel_requested
    jobs.stop(store, job_id, "t")
    record = jobs.get(store, job_id)
    assert record.state is JobState.CANCELLED
    assert record.error is not None
    assert record.error.type == "JobCancelled"


def test_a_queued_job_is_cancelled_at_once_and_not_claimed(store: GraphStore) -> None:
    job_id = queued(store)
    assert jobs.cancel(store, job_id)[0].state is JobState.CANCELLED
    assert not claim(store, job_id, "t")
    assert jobs.cancel(store, job_id)[0].state is JobState.CANCELLED


def test_a_requeued_job_revives_for_its_token(store: GraphStore) -> None:
    for act in ("renew", "finish"):
        job_id = queued(store)
        assert claim(store, job_id, "asleep")
        aged(store, job_id)
        settled = jobs.settle(store, job_id, resend=10, max_attempts=3)
        assert settled.send == (job_id,)
        assert state(store, job_id) is JobState.QUEUED
        if act == "renew":
            jobs.renew(store, job_id, "asleep", lease=LONG)
            assert state(store, job_id) is JobState.RUNNING
            assert not claim(store, job_id, "other")
        else:
            jobs.finish(store, job_id, "asleep", nothing, [])
            assert state(store, job_id) is JobState.SUCCEEDED


def test_finish_after_a_lost_lease_writes_nothing(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "asleep")
    aged(store, job_id)
    assert claim(store, job_id, "other")
    called: list[str] = []
    with pytest.raises(LeaseLost, match="owner of other"):
        jobs.finish(store, job_id, "asleep", lambda _: called.append("written"), [])
    assert called == []
    for act in (jobs.stop, lambda s, i, t: jobs.fail(s, i, t, BROKE)):
        with pytest.raises(LeaseLost):
            act(store, job_id, "asleep")
    assert state(store, job_id) is JobState.RUNNING


def test_an_error_while_writing_the_result_leaves_the_job_running(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "t")

    def torn(tx: Transaction) -> None:
        tx.run("CREATE (:Torn {job_id: $id})", id=job_id).consume()
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        jobs.finish(store, job_id, "t", torn, [])
    assert store.rows("MATCH (t:Torn {job_id: $id}) RETURN t", id=job_id) == []
    assert state(store, job_id) is JobState.RUNNING


def test_finishing_twice_is_finishing_once(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "t")
    written: list[int] = []
    for _ in range(2):
        jobs.finish(store, job_id, "t", lambda _: written.append(1), ["c" * 64])
    assert written == [1]
    assert jobs.get(store, job_id).circuit_ids == ("c" * 64,)


def test_a_worker_that_dies_three_times_fails_the_job(store: GraphStore) -> None:
    job_id = queued(store)
    for attempt in (1, 2, 3):
        assert claim(store, job_id, f"t{attempt}")
        aged(store, job_id)
        assert job_id in jobs.overdue(store, resend=10, depths={"cpu": FULL})
        settled = jobs.settle(store, job_id, resend=10, max_attempts=3)
        assert settled.action is (jobs.Action.SEND if attempt < 3 else jobs.Action.FAILED)
    record = jobs.get(store, job_id)
    assert record.error is not None
    assert "worker died 3 times" in record.error.message


def test_the_jobs_of_a_dead_owner_are_given_back_and_cannot_be_revived(store: GraphStore) -> None:
    mine, other = queued(store), queued(store)
    assert claim(store, mine, f"dead{mine}")
    assert claim(store, other, f"alive{other}")
    assert jobs.release_owner(store, f"owner of dead{mine}", max_attempts=3) == (mine,)
    assert state(store, mine) is JobState.QUEUED
    assert state(store, other) is JobState.RUNNING
    assert jobs.get(store, mine).attempts == 1
    with pytest.raises(LeaseLost):
        jobs.renew(store, mine, f"dead{mine}", lease=LONG)


def test_a_lapsed_job_that_was_to_be_cancelled_is_cancelled(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "dead")
    assert jobs.cancel(store, job_id)[0].state is JobState.RUNNING
    aged(store, job_id)
    settled = jobs.settle(store, job_id, resend=10, max_attempts=3)
    assert settled.action is jobs.Action.CANCELLED
    assert state(store, job_id) is JobState.CANCELLED


def test_a_lapsed_job_is_cancelled_at_once(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "dead")
    aged(store, job_id)
    assert jobs.cancel(store, job_id)[0].state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        jobs.renew(store, job_id, "dead", lease=LONG)


def test_a_lost_message_is_sent_again_when_fewer_messages_wait_than_jobs(store: GraphStore) -> None:
    job_id = queued(store)
    assert job_id not in jobs.overdue(store, resend=LONG, depths={})
    assert job_id not in jobs.overdue(store, resend=0, depths={"cpu": 1})
    assert job_id in jobs.overdue(store, resend=0, depths={})
    aged(store, job_id)
    settled = at_once(4, lambda _: jobs.settle(store, job_id, resend=LONG, max_attempts=3).send)
    assert sorted(settled, key=str) == [(job_id,), (), (), ()]


def test_a_message_lost_from_a_queue_that_is_never_empty_is_sent_again(store: GraphStore) -> None:
    lost, there, waiting = queued(store), queued(store), queued(store)
    for job_id, age in ((lost, 300.0), (there, 200.0), (waiting, 100.0)):
        aged(store, job_id, age)
    assert jobs.overdue(store, resend=10, depths={"cpu": 3}) == ()
    assert jobs.overdue(store, resend=10, depths={"cpu": 2}) == (lost,)
    assert jobs.overdue(store, resend=10, depths={}) == (lost, there, waiting)
    assert jobs.overdue(store, resend=10, depths={}, limit=2) == (lost, there)


def test_many_are_settled_at_once_and_each_is_sent_by_one(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph_schema.store.jobs.judging.AT_ONCE", 3)
    job_ids = [queued(store) for _ in range(7)]
    dead, needy = job_ids[0], queued(store, [Need(job_id=job_ids[0])])
    for attempt in (1, 2, 3):
        assert claim(store, dead, f"t{attempt}")
        aged(store, dead)
    for job_id in job_ids[1:]:
        aged(store, job_id)

    def settle(_: int) -> list[str]:
        found = jobs.settle_all(store, [*job_ids, "gone"], resend=LONG, max_attempts=3)
        assert list(found) == job_ids
        return [each for settled in found.values() for each in settled.send]

    told = [found for found in at_once(3, settle) if isinstance(found, list)]
    assert len(told) == 3
    sent = [each for found in told for each in found]
    assert sorted(sent) == sorted(job_ids[1:])
    assert (state(store, dead), state(store, needy)) == (JobState.FAILED, JobState.FAILED)
    assert [record.job_id for record in jobs.get_all(store, [*job_ids, "gone"])] == job_ids


def test_a_clock_set_back_keeps_no_lost_message_waiting(store: GraphStore) -> None:
    job_id = queued(store)
    ahead = "MATCH (j:Job {job_id: $id}) SET j.sent_at = timestamp() + 86400000"
    store.write(lambda tx: tx.run(ahead, id=job_id).consume())
    assert job_id in jobs.overdue(store, resend=LONG, depths={})
    assert jobs.settle(store, job_id, resend=LONG, max_attempts=3).send == (job_id,)
    assert job_id not in jobs.overdue(store, resend=LONG, depths={})


def test_a_queued_job_is_placed_anew_and_a_running_one_is_not(store: GraphStore) -> None:
    spec = a_spec()
    urgent = PLACEMENT.model_copy(update={"priority": 9})
    elsewhere = urgent.model_copy(update={"device": "cuda"})
    assert jobs.submit(store, spec, PLACEMENT).send
    assert not jobs.submit(store, spec, PLACEMENT).send, "it is as it was"
    chunked = elsewhere.model_copy(update={"chunk": 3})
    for placement, sent in ((urgent, True), (elsewhere, True), (chunked, False)):
        again = jobs.submit(store, spec, placement)
        assert again.record.placement == placement.canonical_json()
        assert again.send is sent, "its queue says how urgent it is and for whom, and nothing else"
    assert claim(store, spec.job_id, "t")
    again = jobs.submit(store, spec, PLACEMENT)
    assert (again.send, again.record.placement) == (False, chunked.canonical_json())


def test_a_clock_set_back_holds_no_job_for_a_worker_that_died(store: GraphStore) -> None:
    job_id = queued(store)
    assert claim(store, job_id, "t")
    assert jobs.overdue(store, resend=LONG, depths={}) == ()
    aged(store, job_id, -86_400.0)  # as if it had been claimed tomorrow
    assert jobs.overdue(store, resend=LONG, depths={"cpu": FULL}) == (job_id,)
    assert jobs.settle(store, job_id, resend=LONG, max_attempts=3).action is jobs.Action.NONE
    assert state(store, job_id) is JobState.RUNNING, "its worker may live: it has a whole lease"
    assert jobs.overdue(store, resend=LONG, depths={"cpu": FULL}) == ()
    aged(store, job_id, LONG)
    assert jobs.settle(store, job_id, resend=LONG, max_attempts=3).send == (job_id,)


def test_a_job_waits_for_what_it_needs_and_is_sent_when_that_ends(store: GraphStore) -> None:
    first, second = queued(store), queued(store)
    both = [Need(job_id=first), Need(job_id=second, on_failure="proceed")]
    submitted = jobs.submit(store, a_spec(), PLACEMENT, needs=both)
    waiting = submitted.record.job_id
    assert not submitted.send
    assert submitted.record.needs == tuple(both)
    assert not claim(store, waiting, "t")
    assert waiting not in jobs.overdue(store, resend=0, depths={})
    assert claim(store, second, "t2")
    assert jobs.fail(store, second, "t2", BROKE) == ()
    assert claim(store, first, "t1")
    assert jobs.finish(store, first, "t1", nothing, []) == (waiting,)
    assert claim(store, waiting, "t")


def test_a_failed_need_fails_what_waits_for_it_down_the_line(store: GraphStore) -> None:
    first = queued(store)
    second = queued(store, [Need(job_id=first)])
    third = queued(store, [Need(job_id=second)])
    anyhow = queued(store, [Need(job_id=third, on_failure="proceed")])
    assert claim(store, first, "t")
    assert jobs.fail(store, first, "t", BROKE) == (anyhow,)
    for job_id, why in (
        (second, f"job {first[:12]}, which failed: NonFiniteError: a score is NaN"),
        (third, f"{second[:12]}, which failed because job {first[:12]} did: NonFiniteError: a sco"),
    ):
        record = jobs.get(store, job_id)
        assert record.error is not None
        assert why in record.error.message
        assert record.failed_need == first
    assert claim(store, anyhow, "t")


def test_a_cancelled_need_fails_what_waits_and_a_new_try_forgets_it(store: GraphStore) -> None:
    first_spec, second_spec = a_spec(), a_spec()
    first = jobs.submit(store, first_spec, PLACEMENT).record.job_id
    needs = [Need(job_id=first)]
    second = jobs.submit(store, second_spec, PLACEMENT, needs=needs).record.job_id
    jobs.cancel(store, first)
    error = jobs.get(store, second).error
    assert error is not None
    assert error.message == f"it needs job {first[:12]}, which was cancelled"
    assert jobs.submit(store, first_spec, PLACEMENT, force=True).send
    again = jobs.submit(store, second_spec, PLACEMENT, needs=needs, force=True)
    assert (again.record.state, again.send) == (JobState.QUEUED, False)
    assert again.record.failed_need is None
    assert claim(store, first, "t")
    assert jobs.finish(store, first, "t", nothing, []) == (second,)


def test_submitting_while_the_need_ends_loses_no_message(store: GraphStore) -> None:
    for _ in range(4):
        first = queued(store)
        assert claim(store, first, "t")
        spec = a_spec()

        def act(index: int, first: str = first, spec: DiscoverSpec = spec) -> bool:
            if index == 0:
                return spec.job_id in jobs.finish(store, first, "t", nothing, [])
            return jobs.submit(store, spec, PLACEMENT, needs=[Need(job_id=first)]).send

        assert sorted(at_once(2, act), key=str) == [False, True]


def test_what_the_finisher_did_not_send_the_reconciler_does(store: GraphStore) -> None:
    first = queued(store)
    waiting = queued(store, [Need(job_id=first)])
    store.write(
        lambda tx: tx.run(
            "MATCH (j:Job {job_id: $id}) SET j.state = 'succeeded'", id=first
        ).consume()
    )
    assert waiting in jobs.overdue(store, resend=0, depths={})
    assert jobs.settle(store, waiting, resend=0, max_attempts=3).send == (waiting,)


def test_needing_a_job_that_is_not_there_is_refused_and_leaves_nothing(store: GraphStore) -> None:
    spec = a_spec()
    with pytest.raises(SpecError, match="does not exist"):
        jobs.submit(store, spec, PLACEMENT, needs=[Need(job_id="e" * 64)])
    with pytest.raises(NotFoundError):
        jobs.get(store, spec.job_id)


def test_jobs_are_found_by_the_start_of_their_id_and_listed_by_state(store: GraphStore) -> None:
    job_id = queued(store)
    assert jobs.get(store, job_id[:16]).job_id == job_id
    for absent in ("", "zz"):
        with pytest.raises(NotFoundError):
            jobs.get(store, absent)
    assert jobs.list_jobs(store, states=[JobState.QUEUED], limit=1)[0].job_id == job_id
    before = jobs.count_live(store)
    jobs.cancel(store, job_id)
    assert jobs.count_live(store) == before - 1


def test_jobs_are_listed_a_page_at_a_time_and_since_a_moment(store: GraphStore) -> None:
    ids = [queued(store) for _ in range(4)]
    aged(store, ids[0])
    pages = [jobs.list_jobs(store, limit=2, skip=skip) for skip in (0, 2, 4)]
    assert sorted(record.job_id for page in pages for record in page) == sorted(ids)
    assert [len(page) for page in pages] == [2, 2, 0]
    recent = jobs.list_jobs(store, since=time.time() - 600)
    assert {record.job_id for record in recent} == set(ids[1:])
    aged(store, ids[1], -60)
    assert jobs.get(store, "last").job_id == ids[1]
