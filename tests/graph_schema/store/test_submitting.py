"""Many jobs submitted in a transaction, alone and beside others who submit some of the same."""

from __future__ import annotations

from collections import Counter

import pytest

from graph_schema.documents.jobs import JobState, Need
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.at_once import at_once
from tests.graph_schema.store.test_jobs import BROKE, PLACEMENT, a_spec, claim, queued
from tests.graph_schema.store.test_jobs import state as state_of


def test_a_batch_is_what_its_jobs_are_one_by_one(store: GraphStore) -> None:
    free, waits, doomed = a_spec(), a_spec(), a_spec()
    failed, ended = queued(store), queued(store)
    for job_id in (failed, ended):
        assert claim(store, job_id, job_id)
    jobs.fail(store, failed, failed, BROKE)
    jobs.finish(store, ended, ended, lambda tx: None, [])
    on_doomed = a_spec()
    made = jobs.submit_all(
        store,
        [
            jobs.Asked(free, PLACEMENT),
            jobs.Asked(waits, PLACEMENT, (Need(job_id=free.job_id),)),
            jobs.Asked(doomed, PLACEMENT, (Need(job_id=failed),)),
            jobs.Asked(on_doomed, PLACEMENT, (Need(job_id=doomed.job_id),)),
        ],
    )
    assert [each.record.job_id for each in made] == [
        each.job_id for each in (free, waits, doomed, on_doomed)
    ]
    assert [each.send for each in made] == [True, False, False, False]
    assert [each.record.state.value for each in made] == ["queued", "queued", "failed", "failed"]
    assert made[1].record.error is None
    again = jobs.submit_all(store, [jobs.Asked(free, PLACEMENT), jobs.Asked(waits, PLACEMENT)])
    assert not any(each.send for each in again)

    # What waits for a job that is begun anew in the same batch waits for the new attempt.
    assert claim(store, free.job_id, "t")
    assert jobs.finish(store, free.job_id, "t", lambda tx: None, []) == (waits.job_id,)
    later = a_spec()
    anew = jobs.submit_all(
        store,
        [
            jobs.Asked(free, PLACEMENT, force=True),
            jobs.Asked(later, PLACEMENT, (Need(job_id=free.job_id),)),
        ],
    )
    assert [each.send for each in anew] == [True, False]


def test_a_batch_with_a_need_that_is_not_there_writes_nothing(store: GraphStore) -> None:
    fine, bad, after = a_spec(), a_spec(), a_spec()
    asked = [
        jobs.Asked(fine, PLACEMENT),
        jobs.Asked(bad, PLACEMENT, (Need(job_id=after.job_id),)),
        jobs.Asked(after, PLACEMENT),  # it must come before what needs it
    ]
    with pytest.raises(SpecError, match=f"needs job '{after.job_id}'"):
        jobs.submit_all(store, asked)
    with pytest.raises(NotFoundError):
        jobs.get(store, fine.job_id)


def test_of_many_who_submit_the_same_jobs_one_sends_each(store: GraphStore) -> None:
    specs = [a_spec() for _ in range(40)]

    def submitter(number: int) -> list[str]:
        mine = specs[number * 5 : number * 5 + 25]
        mine = mine[::-1] if number % 2 else mine
        made = jobs.submit_all(store, [jobs.Asked(spec, PLACEMENT) for spec in mine])
        assert [each.record.job_id for each in made] == [spec.job_id for spec in mine]
        return [each.record.job_id for each in made if each.send]

    sent = at_once(4, submitter)
    assert not [each for each in sent if isinstance(each, BaseException)]
    counted = Counter(job_id for each in sent if isinstance(each, list) for job_id in each)
    assert counted == {spec.job_id: 1 for spec in specs}
    assert {state_of(store, spec.job_id) for spec in specs} == {JobState.QUEUED}


def test_whether_any_job_is_to_be_done(store: GraphStore) -> None:
    assert not jobs.any_to_do(store, ["cpu"])
    job_id = queued(store)
    assert jobs.any_to_do(store, ["cpu"])
    assert claim(store, job_id, "t")
    assert jobs.any_to_do(store, ["cpu"])
    jobs.fail(store, job_id, "t", BROKE)
    assert not jobs.any_to_do(store, ["cpu"])
