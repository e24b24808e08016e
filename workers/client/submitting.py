"""Submitting many requests: in which order, and a batch of them in the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neo4j import Transaction

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.datasets import write_dataset
from workers.client.asked_again import deserves_another_try, tell_placement
from workers.requests.discover import Submission

AT_ONCE = 250
"""Jobs of one transaction, sent when it is committed: a second or so."""


@dataclass(frozen=True)
class Each:
    """A request in its turn; `force` tries again a job of it that has ended."""

    submission: Submission
    force: bool


def in_order(store: GraphStore, submissions: Sequence[Submission], force: bool) -> list[Each]:
    """Each job once, what it needs before it; what a job needs that ended well is left out."""
    states = jobs.states(store, (each.spec.job_id for each in _with_needs(submissions)))
    own = {each.spec.job_id for each in submissions if force}
    found: dict[str, Each] = {}

    def add(submission: Submission) -> None:
        job_id = submission.spec.job_id
        if job_id in found:
            return
        again = job_id in own
        if again or states.get(job_id) is not JobState.SUCCEEDED:
            for each in submission.before:
                add(each)
        found[job_id] = Each(submission, again)

    for each in submissions:
        add(each)
    return list(found.values())


def submit_batch(store: GraphStore, batch: Sequence[Each]) -> dict[str, jobs.Submitted]:
    """The jobs of a batch by id, in its order, written and not yet sent."""
    datasets = {each.sha256: each for one in batch if (each := one.submission.dataset) is not None}

    def also(tx: Transaction) -> None:
        for dataset in datasets.values():
            write_dataset(tx, dataset)

    made = _made(jobs.submit_all(store, [_asked(each, each.force) for each in batch], also))
    again = [
        each
        for each in batch
        if not each.force and deserves_another_try(_record(made, each), each.submission.placement)
    ]
    if again:
        made |= _made(jobs.submit_all(store, [_asked(each, True) for each in again]))
    for each in batch:
        record = _record(made, each)
        if record.state is JobState.RUNNING:
            tell_placement(record, each.submission.placement)
    return made


def _with_needs(submissions: Sequence[Submission]) -> Iterator[Submission]:
    """Those of these requests, and of those that come with them, that bring others."""
    for each in submissions:
        if each.before:
            yield each
            yield from _with_needs(each.before)


def _asked(each: Each, force: bool) -> jobs.Asked:
    asked = each.submission
    return jobs.Asked(asked.spec, asked.placement, asked.needs, force)


def _made(found: Sequence[jobs.Submitted]) -> dict[str, jobs.Submitted]:
    return {each.record.job_id: each for each in found}


def _record(made: dict[str, jobs.Submitted], each: Each) -> JobRecord:
    return made[each.submission.spec.job_id].record
