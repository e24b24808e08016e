"""When a worker ends by itself: after so many jobs, or when there has been none for so long.

For schedulers (Slurm, Kubernetes jobs), to which a worker that waits for work is one that holds a
machine. It ends as on SIGTERM, with status 0, and no job is cut short.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery import signals
from celery.worker import state
from celery.worker.request import Request

from graph_schema.errors import CircuitServiceError

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
ONCE_SECONDS = 2.0
"""How long `--once` waits for the message of a job that waits for nobody else."""


@dataclass(frozen=True)
class Quota:
    """How much a worker does before it ends: jobs, and seconds without any. None: no end."""

    max_jobs: int | None = None
    idle_seconds: float | None = None

    @classmethod
    def once(cls) -> Quota:
        """One job, or none where none waits."""
        return cls(1, ONCE_SECONDS)


class Ending:
    """Ends the worker in this process when its quota is used up.

    Args:
        quota: How much it does.
        waiting: How many jobs wait that it serves; it does not end while there are any.
        worker: Celery's.
    """

    def __init__(self, quota: Quota, waiting: Callable[[], int], worker: Any) -> None:
        self._quota = quota
        self._waiting = waiting
        self._worker = worker
        self._done = 0
        self._ready = threading.Event()

    def counting(self) -> type[Request]:
        """A request that counts: celery's main process has one for each message."""
        ending = self

        class Counted(Request):
            def __init_subclass__(cls, **named: Any) -> None:
                super().__init_subclass__(**named)
                # celery makes a class of this one for each task, with an `on_success` of its own.
                own = cls.on_success

                def on_success(self: Any, failed__retval__runtime: Any, **given: Any) -> Any:
                    failed, came_back, _ = failed__retval__runtime
                    # `tasks.run` says whether there was a job to do; what is passed on is its repr.
                    if not failed and came_back == repr(True):
                        ending.count()
                    return own(self, failed__retval__runtime, **given)

                cls.on_success = on_success

            def on_failure(self, *given: Any, **named: Any) -> Any:
                ending.count()
                return super().on_failure(*given, **named)

        return Counted

    def count(self) -> None:
        """One job more has ended. Its message is not acknowledged yet, so none has followed it."""
        self._done += 1
        if self._quota.max_jobs is not None and self._done >= self._quota.max_jobs:
            done = "a job is" if self._done == 1 else f"{self._done} jobs are"
            log.info("%s done: this worker ends", done)
            with suppress(Exception):  # the connection may be gone, and nothing is taken then
                self._worker.consumer.task_consumer.cancel()
            self._end()

    def watch(self) -> None:
        """Watch, in a thread of its own, whether there is anything to do."""
        if self._quota.idle_seconds is not None:
            signals.worker_ready.connect(self._on_ready, weak=False)
            threading.Thread(target=self._watch, name="idle", daemon=True).start()

    def close(self) -> None:
        signals.worker_ready.disconnect(self._on_ready)

    def _on_ready(self, **_: Any) -> None:
        self._ready.set()

    def _watch(self) -> None:
        self._ready.wait()
        longest = self._quota.idle_seconds
        assert longest is not None
        busy = time.monotonic()
        while state.should_stop is None:
            time.sleep(LOOK_SECONDS)
            if state.reserved_requests:
                busy = time.monotonic()
            elif time.monotonic() - busy >= longest:
                if self._nothing_waits() and not state.reserved_requests:
                    which = "no job waits" if not self._done else "no job waits any more"
                    log.info("%s that this worker serves: it ends", which)
                    self._end()
                    return
                busy = time.monotonic() - longest + LOOK_SECONDS

    def _nothing_waits(self) -> bool:
        try:
            return self._waiting() == 0
        except CircuitServiceError as error:
            log.warning("which jobs wait cannot be seen: %s", error)
            return True

    def _end(self) -> None:
        state.should_stop = 0  # celery's loop sees it between two messages
