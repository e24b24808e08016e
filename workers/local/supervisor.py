"""The supervisor: one process a home that owns the embedded database and a worker.

Started by `ensure_local` as `python -m workers.local.supervisor STARTER`, detached from terminal
and parent. It restarts a database or worker that dies, and ends when it is told to (SIGTERM), or
when nobody uses the home, no job is live and `idle_seconds` have passed. Both children end with it,
however it ends: by the kernel's word on Linux, else when the next supervisor finds them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from graph_schema.documents.limits import Limits
from graph_schema.errors import CircuitServiceError, StoreUnavailable
from graph_schema.private_files import bound_log, private_log
from graph_schema.processes import die_with_parent, process_mark
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.embedded import start_embedded
from graph_schema.store.servers.java import JavaServer
from workers.local.ending import end_leftovers
from workers.local.files import Phase, ServiceFiles, State, locked
from workers.local.goes_by import goes_by
from workers.log_lines import log_to_standard_error
from workers.settings import Settings, read_settings

log = logging.getLogger(__name__)

ROUND_SECONDS = 0.2
IDLE_CHECK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
WORKER_STOP_SECONDS = 20.0
STEADY_SECONDS = 60.0
"""A child that lived this long was well: its next death starts the count anew."""
MAX_DATABASE_FAILURES = 3
LONGEST_PAUSE = 30.0


class Supervisor:
    """Database and worker of one home, kept running until `stop` is set."""

    def __init__(self, settings: Settings, files: ServiceFiles, starter: str) -> None:
        self.settings = settings
        self.files = files
        self.stop = threading.Event()
        mark = process_mark(os.getpid())
        self.state = State(Phase.STARTING, starter, mark, goes_by=goes_by(settings))
        self._worker: subprocess.Popen[bytes] | None = None
        self._worker_started = 0.0
        self._worker_failures = 0

    def run(self) -> None:
        """Start everything, look after it, end everything.

        Raises:
            CircuitServiceError: The database does not start, or dies again and again.
        """
        failures = 0
        try:
            while not self.stop.is_set():
                started = time.monotonic()
                database = self._start_database()
                try:
                    self._look_after(database)
                finally:
                    self._say(phase=Phase.STOPPING if self.stop.is_set() else Phase.STARTING)
                    if self.stop.is_set():
                        self._stop_worker()
                    database.stop()
                if not self.stop.is_set():
                    failures = 1 if time.monotonic() - started > STEADY_SECONDS else failures + 1
                    log.warning("the database died; %s", database.last_words())
                    if failures >= MAX_DATABASE_FAILURES:
                        raise StoreUnavailable(
                            f"the embedded database died {failures} times in a row; "
                            f"{database.last_words()}"
                        )
        finally:
            self._stop_worker()

    def _start_database(self) -> JavaServer:
        last = self.state.address
        database = start_embedded(
            self.files.home / "store",
            port=int(last.uri.rpartition(":")[2]) if last else None,
            command_seconds=_command_seconds(self.settings.limits),
        )
        try:
            with GraphStore(database.address) as store:
                store.migrate()
            if self._worker is not None and last is not None and last != database.address:
                self._stop_worker()  # it knows the old address only
            self._say(
                phase=Phase.READY,
                address=database.address,
                database=process_mark(database.process.pid),
                error=None,
            )
        except BaseException:
            database.stop()
            raise
        log.info("database ready at %s", database.address.uri)
        return database

    def _look_after(self, database: JavaServer) -> None:
        """Return when the database has died or all is to end."""
        # A single try: where the database hangs, word to end is still heard.
        with GraphStore(database.address, patience=0.0, answer=ANSWER_SECONDS) as store:
            used = looked = time.monotonic()
            while database.alive and not self.stop.wait(ROUND_SECONDS):
                self._tend_worker()
                now = time.monotonic()
                if now - looked < min(IDLE_CHECK_SECONDS, self.settings.idle_seconds):
                    continue
                looked = now
                self._bound_logs()
                with self._unused(store) as unused:
                    if not unused:
                        used = time.monotonic()
                    elif now - used >= self.settings.idle_seconds:
                        log.info("nobody here for %g s: ending", self.settings.idle_seconds)
                        self._say(phase=Phase.STOPPING)
                        self.stop.set()

    def _bound_logs(self) -> None:
        """Put aside what logs have grown to, while all go on writing to them."""
        logs = self.files.logs
        database = self.files.home / "store" / "server.log"
        for path in (logs / "supervisor.log", logs / "worker.log", database):
            try:
                bound_log(path)
            except OSError as error:  # a full disk, say: the next round may have room
                log.warning("%s is not put aside: %s", path, error)

    @contextmanager
    def _unused(self, store: GraphStore) -> Generator[bool]:
        """Whether nobody uses the home; while the body runs nobody can begin to."""
        with locked(self.files.users_lock, fcntl.LOCK_EX) as free:
            yield free and not self.files.pinned.exists() and not _live(store)

    def _tend_worker(self) -> None:
        if self._worker is not None and self._worker.poll() is not None:
            lived = time.monotonic() - self._worker_started
            self._worker_failures = 1 if lived > STEADY_SECONDS else self._worker_failures + 1
            log.warning("the worker ended with status %s", self._worker.returncode)
            self._worker = None
            self._say(worker=None, worker_failures=self._worker_failures)
        if self._worker is None and self.files.worker_wanted.exists():
            pause = 0.25 * 2**self._worker_failures if self._worker_failures else 0.0
            if time.monotonic() - self._worker_started >= min(LONGEST_PAUSE, pause):
                self._start_worker()

    def _start_worker(self) -> None:
        address = self.state.address
        assert address is not None
        settings = self.settings.at(address)
        with private_log(self.files.logs / "worker.log") as output:
            self._worker = subprocess.Popen(
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
        self._worker_started = time.monotonic()
        self._say(worker=process_mark(self._worker.pid))
        log.info("worker started, pid %s", self._worker.pid)

    def _stop_worker(self) -> None:
        """Let it give its job back; force after a while."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.terminate()
        try:
            worker.wait(self.settings.cancel_seconds + WORKER_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self._say(worker=None)

    def _say(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # pyright: ignore[reportArgumentType]
        self.files.write(self.state)


def _live(store: GraphStore) -> bool:
    """Whether a job is queued or running; True when the store cannot tell."""
    try:
        return jobs.count_live(store) > 0
    except CircuitServiceError:
        return True


def _command_seconds(limits: Limits) -> float:
    """The server's own limit on a command: a user's queries fit, and so do our batches."""
    return max(30.0, limits.query_seconds)


def supervise(settings: Settings, starter: str) -> int:
    """Be the supervisor of the home, unless there is one; returns the exit status."""
    files = ServiceFiles(settings)
    with files.supervising() as alone:
        if not alone:
            return 0
        last = files.read()
        end_leftovers(last)
        supervisor = Supervisor(settings, files, starter)
        if last is not None:  # the address stays, if its port is free
            supervisor.state = replace(supervisor.state, address=last.address)
        files.write(supervisor.state)

        def told(number: int, frame: FrameType | None) -> None:
            supervisor.stop.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, told)
        try:
            supervisor.run()
        except Exception as error:
            log.exception("the supervisor ends")
            files.worker_wanted.unlink(missing_ok=True)
            files.write(State(Phase.FAILED, starter, supervisor.state.supervisor, error=str(error)))
            return 1
        files.worker_wanted.unlink(missing_ok=True)
        files.state_file.unlink(missing_ok=True)
        return 0


def main() -> int:
    """`python -m workers.local.supervisor STARTER`: detach, then supervise."""
    settings = read_settings()
    if os.fork():
        return 0
    os.setsid()
    log_to_standard_error(settings.log_format)
    return supervise(settings, sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
