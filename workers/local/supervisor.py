"""The supervisor: one process a home that owns the embedded database and a worker.

Started by `ensure_local` as `python -m workers.local.supervisor STARTER`, detached from terminal
and parent. It restarts a database or worker that dies, and ends when it is told to (SIGTERM), or
when nobody uses the home, no job is left that its worker can do and `idle_seconds` have passed. The
worker is there while there is work (`worker.py`). Both children end with it, however it ends: by
the kernel's word on Linux, else when the next supervisor finds them. While nothing is to be done it
asks the database nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import FrameType

from graph_schema.documents.limits import Limits
from graph_schema.errors import CircuitServiceError, StoreUnavailable
from graph_schema.private_files import bound_log
from graph_schema.processes import process_mark
from graph_schema.store import jobs, migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.embedded import start_embedded
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.servers.on_disk import Flushed, make_kinds
from workers.local.able import can_work
from workers.local.ending import end_leftovers
from workers.local.files import Phase, ServiceFiles, State, locked
from workers.local.goes_by import goes_by
from workers.local.offered import Offered
from workers.local.worker import LocalWorker
from workers.log_lines import log_to_standard_error
from workers.settings import Settings, read_settings

log = logging.getLogger(__name__)

ROUND_SECONDS = 0.2
IDLE_CHECK_SECONDS = 1.0
LOGS_SECONDS = 5.0
LIVE_SECONDS = 5.0
"""Between two looks whether jobs are live that nobody here waits for."""
ANSWER_SECONDS = 5.0
STEADY_SECONDS = 60.0
"""A database that lived this long was well: its next death starts the count anew."""
MAX_DATABASE_FAILURES = 3


class Supervisor:
    """Database and worker of one home, kept running until `stop` is set."""

    def __init__(self, settings: Settings, files: ServiceFiles, starter: str) -> None:
        self.settings = settings
        self.files = files
        self.stop = threading.Event()
        mark = process_mark(os.getpid())
        self.state = State(Phase.STARTING, starter, mark, goes_by=goes_by(settings))
        self._store: GraphStore | None = None
        self._jobs_live, self._asked = True, 0.0
        self._worker = LocalWorker(settings, files, self._say, self._live)
        self._offered = Offered(settings)
        self._flushed = Flushed(files.home / "store")

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
                        self._worker.stop()
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
            self._worker.stop()

    def _start_database(self) -> JavaServer:
        last = self.state.address
        database = start_embedded(
            self.files.home / "store",
            port=int(last.uri.rpartition(":")[2]) if last else None,
            command_seconds=_command_seconds(self.settings.limits),
        )
        try:
            with GraphStore(database.address) as store:
                # Else a restore was broken off, and has to find a database to begin anew in.
                if migrations.being_restored(store.rows) is None:
                    store.migrate()
                    make_kinds(store)
            self._flushed.look()
            if last is not None and last != database.address:
                self._worker.stop()  # it knows the old address only
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
        with GraphStore(database.address, patience=0.0, answer=ANSWER_SECONDS) as self._store:
            used = looked = bounded = time.monotonic()
            while database.alive and not self.stop.wait(ROUND_SECONDS):
                self._tend_worker(database)
                now = time.monotonic()
                if now - bounded >= LOGS_SECONDS:
                    bounded = now
                    self._bound_logs()
                if now - looked < min(IDLE_CHECK_SECONDS, self.settings.idle_seconds):
                    continue
                looked = now
                self._flush_files()
                used = self._last_used(used, now)

    def _tend_worker(self, database: JavaServer) -> None:
        try:
            self._worker.tend(database.address)
        except OSError as error:  # a full disk, say: the next round may have room
            log.warning("the worker is not looked after: %s", error)

    def _last_used(self, used: float, now: float) -> float:
        """When the home was last used, by somebody or by a job; ends all where that is long ago."""
        idle = self.settings.idle_seconds
        with locked(self.files.users_lock, fcntl.LOCK_EX) as free:  # nobody can begin meanwhile
            if not free or self.files.pinned.exists():
                self._jobs_live, self._asked = True, now
                return now
            # Who has gone may have left jobs: they are looked at until they have ended, and again
            # before the end.
            if self._jobs_live and now - self._asked >= min(LIVE_SECONDS, idle):
                self._asked, self._jobs_live = now, self._live()
                if self._jobs_live and can_work(self.settings):
                    # Who asked for them may have died before they wished for a worker.
                    with suppress(OSError):  # a full disk: the next round may have room
                        self.files.worker_wanted.touch(0o600)
            elif now - used >= idle:
                self._jobs_live = self._live()
                if not self._jobs_live:
                    log.info("nobody here for %g s: ending", idle)
                    self._say(phase=Phase.STOPPING)
                    self.stop.set()
            return now if self._jobs_live else used

    def _live(self) -> bool:
        """Whether there is a job for the worker here, or one runs; True when nobody can tell.

        What needs a device or memory that the worker has not waits without it.
        """
        assert self._store is not None
        try:
            serves = self._offered.look(self._store, self._worker.pid)
            return jobs.any_to_do(self._store, [each.name for each in serves.demands()])
        except CircuitServiceError:
            return True

    def _bound_logs(self) -> None:
        """Put aside what logs have grown to, while all go on writing to them."""
        logs = self.files.logs
        database = self.files.home / "store" / "server.log"
        for path in (logs / "supervisor.log", logs / "worker.log", database):
            try:
                bound_log(path)
            except OSError as error:  # a full disk, say: the next round may have room
                log.warning("%s is not put aside: %s", path, error)

    def _flush_files(self) -> None:
        try:
            self._flushed.look()
        except OSError as error:
            log.warning("the database's folder is not flushed: %s", error)

    def _say(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # pyright: ignore[reportArgumentType]
        self.files.write(self.state)


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
