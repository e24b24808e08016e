"""The reconciler: sends again what was lost and settles what nobody works on.

A thread in every worker's main process. Several may run at once: each job is judged again under its
lock (`store/jobs`), so a second judgement finds nothing to do.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Self

from celery import Celery

from graph_schema.errors import StoreUnavailable
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import forget_worker
from workers import broker
from workers.running.owner import dead_owners
from workers.settings import Settings

log = logging.getLogger(__name__)

NONE = jobs.Action.NONE
AT_ONCE = 500
"""Jobs settled and sent before anything else is looked at."""
END_SECONDS = 2.0
"""What a look that is on its way is waited for; the database may hang."""


class Reconciler:
    """Looks over all jobs when it starts and every `reconcile_seconds`; a context manager."""

    def __init__(self, settings: Settings, store: GraphStore, app: Celery, owner: str) -> None:
        self.settings = settings
        self.store = store
        self.app = app
        self.owner = owner
        self._lost: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._lost.put(None)
        self._thread.join(END_SECONDS)

    def child_lost(self, job_id: str) -> None:
        """This worker's child died on the job: give it back without waiting for its lease."""
        extra = {"job_id": job_id}
        log.warning("the process of job %s died; it is given back", job_id[:12], extra=extra)
        self._lost.put(job_id)

    def once(self) -> None:
        """Look over all jobs once."""
        with dead_owners(self.settings.home) as dead:
            for owner in dead:
                log.info("worker %s is dead: its jobs are given back", owner)
                self._release(owner)
                forget_worker(self.store, owner)
        # A batch at a time: a child that dies while thousands are sent again is heard.
        while self._settle_some() and self._lost.empty() and not self._ending.is_set():
            pass

    def _settle_some(self) -> bool:
        """Settle the first of the jobs that nobody works on; False where none of them was to be."""
        resend, attempts = self.settings.resend_seconds, self.settings.max_attempts
        depths = broker.queue_depths(self.app)
        found = jobs.overdue(self.store, resend=resend, depths=depths, limit=AT_ONCE)
        settled = jobs.settle_all(self.store, found, resend=resend, max_attempts=attempts)
        done = {job_id: each for job_id, each in settled.items() if each.action is not NONE}
        for job_id, each in done.items():
            extra = {"job_id": job_id}
            log.info("job %s was overdue: %s", job_id[:12], each.action.value, extra=extra)
        sent = [each for settled in done.values() for each in settled.send]
        broker.deliver(self.store, self.app, sent)
        return bool(done)

    def _release(self, owner: str, job_id: str | None = None) -> None:
        send = jobs.release_owner(
            self.store, owner, job_id=job_id, max_attempts=self.settings.max_attempts
        )
        broker.deliver(self.store, self.app, send)

    def _run(self) -> None:
        pause = self.settings.lease_seconds / 3
        outage = False
        looked = time.time()
        lost: str | None = None
        while True:
            try:
                if outage or time.time() - looked > self.settings.reconcile_seconds + pause:
                    # Nobody could renew, or this machine slept: the living get time to say so.
                    self.store.ping()
                    outage = False
                    if self._ending.wait(pause):
                        return
                if lost is not None:
                    self._release(self.owner, lost)
                    lost = None
                self.once()
            except StoreUnavailable as error:
                log.warning("looking over the jobs failed: %s", error)
                outage = True
            except Exception:
                log.exception("looking over the jobs failed")
            looked = time.time()
            if lost is not None:
                if self._ending.wait(1.0):
                    return
                continue
            try:
                lost = self._lost.get(timeout=self.settings.reconcile_seconds)
            except queue.Empty:
                continue
            if lost is None:
                return
