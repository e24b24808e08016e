"""Whether anybody works at all: what whoever waits for a job looks at.

A job that nobody does is waited for without end. Where the local service is ours to have a worker,
one that is missing is wished for again; else the waiting says plainly that nobody works.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import StoreUnavailable

if TYPE_CHECKING:
    from workers.client.connection import Connection

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
QUIET_SECONDS = 60.0
"""When no job has been worked on for so long, while one waits, it is said that nobody works."""


class Watch:
    """Looks, as often as it is worth it, whether a worker is there for who waits here."""

    def __init__(self, client: Connection) -> None:
        self._client = client
        self._began = self._seen = self._looked = time.monotonic()
        self._busy_told = self._nobody_told = self._failing_told = False
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

    def look(self, record: JobRecord | None = None) -> None:
        """Look for a worker; says once what a job that still waits waits for.

        Args:
            record: The job that is waited for; None where it is several.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self.begin()
        try:
            service = self._client.service
            if record is not None and service.serving.tell(record):
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
