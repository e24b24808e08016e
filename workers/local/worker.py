"""The local service's worker, from the side of the supervisor: there while there is work.

Loading torch takes seconds and some hundred megabytes. So the worker starts when somebody wishes
for it (`ServiceFiles.worker_wanted`) and a job is there that it can do, and ends when none has been
for `worker_idle_seconds`.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Protocol

from graph_schema.private_files import private_log
from graph_schema.processes import Mark, die_with_parent, process_mark
from graph_schema.store.connection import StoreAddress
from workers.local.files import ServiceFiles
from workers.settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
LOOK_SECONDS = 5.0
"""Between two looks whether a worker that is there has work."""
STEADY_SECONDS = 60.0
"""A child that lived this long was well: its next death starts the count anew."""
LONGEST_PAUSE = 30.0


class Say(Protocol):
    """Writes into the state what became of the worker."""

    def __call__(self, *, worker: Mark | None, worker_failures: int) -> None: ...


class LocalWorker:
    """The worker's main process, or none.

    Args:
        say: Told whenever it starts or ends.
        live: Whether a job is queued that it can do, or one runs.
    """

    def __init__(
        self, settings: Settings, files: ServiceFiles, say: Say, live: Callable[[], bool]
    ) -> None:
        self.settings = settings
        self.files = files
        self._say = say
        self._live = live
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._looked = self._busy = 0.0
        self._failures = 0

    def tend(self, address: StoreAddress) -> None:
        """Start it, start it again or end it, as wishes and jobs ask; called every round."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            self._died(self._process.returncode, now)
        if self._process is None:
            if self.files.worker_wanted.exists() and self._may_start(now) and not self._let_go():
                self._start(address)
        elif now - self._looked >= min(LOOK_SECONDS, self.settings.worker_idle_seconds):
            self._looked = now
            if self._live():
                self._busy = now
            elif now - self._busy >= self.settings.worker_idle_seconds and self._let_go():
                log.info("no job for %g s: the worker ends", self.settings.worker_idle_seconds)
                self.stop()

    @property
    def pid(self) -> int | None:
        """Of its process, None where there is none."""
        return self._process.pid if self._process is not None else None

    def stop(self) -> None:
        """Let it give its job back; force after a while."""
        process, self._process = self._process, None
        if process is None:
            return
        self._failures = 0  # it lived
        process.terminate()
        try:
            process.wait(self.settings.cancel_seconds + STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._say(worker=None, worker_failures=self._failures)

    def _let_go(self) -> bool:
        """Take the wish away where no job is live; False where one is, and the wish stays.

        In this order: who submits writes the job and then wishes, so one of the two is seen.
        """
        self.files.worker_wanted.unlink(missing_ok=True)
        if self._live():
            self.files.worker_wanted.touch(0o600)
            return False
        return True

    def _may_start(self, now: float) -> bool:
        pause = 0.25 * 2**self._failures if self._failures else 0.0
        return now - self._started >= min(LONGEST_PAUSE, pause)

    def _died(self, status: int, now: float) -> None:
        steady = now - self._started > STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        log.warning("the worker ended with status %s", status)
        self._process = None
        self._say(worker=None, worker_failures=self._failures)

    def _start(self, address: StoreAddress) -> None:
        settings = self.settings.at(address)
        with private_log(self.files.logs / "worker.log") as output:
            self._process = subprocess.Popen(
                [str(self.settings.worker_python), "-P", "-m", "workers.running.worker"],
                env=settings.environment(),
                cwd=self.files.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                umask=0o077,
                preexec_fn=die_with_parent,
            )
        self._started = self._looked = self._busy = time.monotonic()
        self._say(worker=process_mark(self._process.pid), worker_failures=self._failures)
        log.info("worker started, pid %s", self._process.pid)
