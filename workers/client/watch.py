"""Whether anybody works at all: what whoever waits for a job looks at.

A job that nobody does is waited for without end. Where the local service is ours to have a worker,
one that is missing is wished for again; else the waiting says plainly that nobody works.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import StoreUnavailable

if TYPE_CHECKING:
    from workers.client.connection import Connection

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
QUIET_SECONDS = 60.0
"""When no job has been worked on for so long, while one waits, it is said that nobody works."""


MOST_NEEDS = 500
"""So many of the jobs that others need are looked at, at a time."""


class Watch:
    """Looks, as often as it is worth it, whether a worker is there for who waits here."""

    def __init__(self, client: Connection) -> None:
        self._client = client
        self._began = self._seen = self._looked = time.monotonic()
        self._busy_told = self._nobody_told = self._failing_told = False
        self._told: set[object] = set()
        self.starting = False
        """Whether what is waited for waits for a worker that starts."""

    def begin(self) -> None:
        """Look for the local service's worker at once; one that is missing is wished for."""
        if self._client.brings_worker:
            from workers.local.service import WorkerIs, renew_worker

            found = renew_worker(self._client.settings)
            self.starting = self.starting or found is not WorkerIs.ALIVE
            if found is WorkerIs.FAILING and not self._failing_told:
                self._failing_told = True
                place = self._client.settings.log_dir / "worker.log"
                log.warning("the local worker ends with errors; see %s", place)

    def look(self, record: JobRecord | None = None, among: Sequence[JobRecord] = ()) -> None:
        """Look for a worker; says once what a job that still waits waits for.

        Args:
            record: The job that is waited for; None where it is several.
            among: These several, or some of them.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self.begin()
        try:
            service = self._client.service
            told = record is not None and service.serving.tell(record)
            if told or self._tell_put_off(record, among):
                self._seen = now
                return
            working = service.anybody_works()
        except StoreUnavailable:  # who waits says so, when it has been away for long
            return
        if working:
            self._seen, self._nobody_told, self.starting = now, False, False
            if record is not None and record.state is JobState.QUEUED:
                self._tell_busy(record, now)
        elif now - self._seen > QUIET_SECONDS and not self._nobody_told:
            self._nobody_told = True
            which = f"job {record.job_id}" if record else "the jobs that are waited for"
            log.warning(
                "nobody works on %s: no worker has had a job in hand for %g s; %s",
                which,
                QUIET_SECONDS,
                self._what_to_do(),
            )

    def _tell_put_off(self, record: JobRecord | None, among: Sequence[JobRecord]) -> bool:
        """Whether one of several jobs, or of those that they or the one needs, was put off.

        What they met is said once for all, and again when they meet it at the next try.
        """
        queued = {each.job_id: each for each in among if each.state is JobState.QUEUED}
        waiting = [*queued.values(), *([] if record is None else [record])]
        needs = {need.job_id for each in waiting for need in each.needs}
        service = self._client.service
        more = service.records(sorted(needs - queued.keys())[:MOST_NEEDS])
        queued |= {each.job_id: each for each in more if each.state is JobState.QUEUED}
        off = service.serving.put_off(list(queued.values()))
        for job_id, why in off.items():
            met = (queued[job_id].error, queued[job_id].put_off)
            if met not in self._told:
                self._told.add(met)
                log.warning("job %s %s", job_id[:12], why)
        return bool(off)

    def _tell_busy(self, record: JobRecord, now: float) -> None:
        if self._busy_told or now - self._began <= QUIET_SECONDS:
            return
        self._busy_told = True
        why = "all workers are busy"
        if record.needs:
            why = "for jobs that it needs; see how far they are: circuits jobs"
        log.warning("job %s still waits: %s", record.job_id, why)

    def _what_to_do(self) -> str:
        settings = self._client.settings
        if not settings.local:
            return (
                "start one where the broker and the graph of these settings are reached: "
                "circuits worker"
            )
        worker_log = settings.log_dir / "worker.log"
        if self._client.brings_worker:
            return (
                f"see what the local service's worker does, or why it does not start: {worker_log}"
            )
        return "start the local service's worker: circuits up"
