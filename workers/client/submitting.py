"""Submitting requests: into the graph and on their way, many at a time, in the right order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from graph_schema.documents.jobs import JobRecord, JobState, ShardSpec, demand_of, shards_of
from graph_schema.errors import StoreUnavailable
from graph_schema.store import jobs
from graph_schema.store.batches import lots
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.records.datasets import write_dataset
from workers.client.asked_again import deserves_another_try, tell_placement
from workers.client.served import Serving
from workers.local.goes_by import tell_of_differences
from workers.local.service import renew_worker
from workers.requests.discover import Submission
from workers.settings import Settings
from workers.whose_artifacts import marked_store

if TYPE_CHECKING:
    from celery import Celery
    from neo4j import Transaction

    from workers.broker import Sender

log = logging.getLogger(__name__)

AT_ONCE = 250
"""Jobs of one transaction, sent when it is committed: a second or so."""


@dataclass(frozen=True)
class Each:
    """A request in its turn; `force` tries again a job of it that has ended."""

    submission: Submission
    force: bool


class Submitting:
    """Graph, queue and artifact store of a client, from the side that submits.

    Args:
        settings: What the client goes by.
        address: Of the graph.
        store: The graph.
        worker: Whether what is sent is to have a worker of the local service.
    """

    def __init__(
        self,
        settings: Settings,
        address: StoreAddress,
        store: GraphStore,
        *,
        worker: bool = False,
    ) -> None:
        self.settings = settings
        self.brings_worker = worker and settings.local
        self.address = address
        self.store = store
        self.artifacts = marked_store(settings, store)
        self._app: Celery | None = None
        self._told = False
        self.serving = Serving(store, settings)

    @property
    def app(self) -> Celery:
        """The queue; made, and Celery loaded, when something is first sent."""
        if self._app is None:
            from workers.broker import make_app

            self._app = make_app(self.settings)
        return self._app

    @cached_property
    def sender(self) -> Sender:
        """What sends over a connection that is kept."""
        from workers.broker import Sender

        return Sender(self.app)

    def close(self) -> None:
        """Let go of the queue's connection; the store is its owner's."""
        if "sender" in self.__dict__:
            self.sender.close()

    def submit(self, submission: Submission, *, force: bool, send: bool = True) -> JobRecord:
        """The job of a checked request, as `submit_many` makes it."""
        return self.submit_many([submission], force=force, send=send)[0]

    def submit_many(
        self, submissions: Sequence[Submission], *, force: bool = False, send: bool = True
    ) -> tuple[JobRecord, ...]:
        """The jobs of checked requests, in the graph and on their way; again is the same jobs.

        Some hundred at a time are written and then sent: where this ends in the middle, none that
        is in the graph is lost (a reconciler sends it), and asking again goes on.

        One that ended without a result for no lasting fault of the request (it was cancelled, its
        worker died, its model was away, a limit was in the way) is tried again, at this request's
        place; `force` tries again whatever has ended. The jobs that it needs and that come with it
        are submitted first; of those, none that ended well is done again, but for the shards of a
        job that is.

        Raises:
            StoreUnavailable: Graph or queue are away; a queue that is, before anything is written.
        """
        if send:
            if self.settings.local and not self._told:
                self._told = True
                tell_of_differences(self.settings)
            self.sender.reach()
        found: dict[str, JobRecord] = {}
        for batch in lots(in_order(self.store, submissions, force), AT_ONCE):
            made = submit_batch(self.store, batch)
            found |= {job_id: each.record for job_id, each in made.items()}
            if send:
                self._send([each.record for each in made.values() if each.send])
                stored = [each.record for each in made.values()]
                waiting = [each for each in stored if each.state is not JobState.RUNNING]
                for each in {demand_of(each.placement): each for each in waiting}.values():
                    self.serving.tell_submitted(each)
                if self.brings_worker:  # behind each batch: the first jobs need not wait for all
                    renew_worker(self.settings)
        return tuple(found[each.spec.job_id] for each in submissions)

    def _send(self, records: Sequence[JobRecord]) -> None:
        """Send; what the queue refuses is sent by the reconciler later."""
        try:
            self.sender.send(*records)
        except StoreUnavailable as error:
            which = (
                f"job {records[0].job_id[:12]} is"
                if len(records) == 1
                else f"{len(records)} jobs are"
            )
            log.warning("%s not sent yet: %s", which, error)


def in_order(store: GraphStore, submissions: Sequence[Submission], force: bool) -> list[Each]:
    """Each job once, what it needs before it; what a job needs that ended well is left out.

    So are the shards of a job that stays as it is: at work already, in another number of them, or
    ended for good.
    """
    states = jobs.states(store, (each.spec.job_id for each in _with_needs(submissions)))
    divided = _divided(store, submissions, states)
    found: dict[str, Each] = {}

    def stays(submission: Submission, again: bool) -> bool:
        job_id, wanted = submission.spec.job_id, submission.placement
        state, record = states.get(job_id), divided.get(job_id)
        if state is None or not state.ended:
            return record is not None and shards_of(record) != wanted.shards
        return not again and not (record is not None and deserves_another_try(record, wanted))

    def add(submission: Submission, again: bool) -> None:
        job_id = submission.spec.job_id
        if job_id in found:
            return
        if submission.placement.shards > 1 and stays(submission, again):
            submission = replace(submission, needs=(), before=())
        if again or states.get(job_id) is not JobState.SUCCEEDED:
            for each in submission.before:
                # What a job's shards found is a part of its own work, and goes with its record.
                anew = again or job_id not in states
                add(each, anew and isinstance(each.spec, ShardSpec))
        found[job_id] = Each(submission, again)

    own = {each.spec.job_id for each in submissions if force}
    for each in submissions:
        add(each, each.spec.job_id in own)
    return list(found.values())


def _divided(
    store: GraphStore, submissions: Sequence[Submission], states: Mapping[str, JobState]
) -> dict[str, JobRecord]:
    """Those of these jobs that are there without a result, and are asked for in shards."""
    asked = [each.spec.job_id for each in submissions if each.placement.shards > 1]
    there = [each for each in asked if states.get(each) not in (None, JobState.SUCCEEDED)]
    return {
        record.job_id: record for lot in lots(there, AT_ONCE) for record in jobs.get_all(store, lot)
    }


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
        if not record.state.ended:
            tell_placement(record, each.submission.placement)
        for stray in _end_strays(store, record, each.submission):
            if stray in made:
                made[stray] = replace(made[stray], send=False)
    return made


def _end_strays(store: GraphStore, record: JobRecord, asked: Submission) -> set[str]:
    """The shards that were asked for, and ended: another has the job in another number of them."""
    own = {each.spec.job_id for each in asked.before if isinstance(each.spec, ShardSpec)}
    strays = own - {need.job_id for need in record.needs}
    if strays:
        jobs.end_strays(store, record.job_id, sorted(strays))
    return strays


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
