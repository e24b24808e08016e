"""How long it takes until a killed job begins again, a job is cancelled, a worker has stopped.

    python -m tests.faults.times [--write]

The settings are a user's (a lease of 30 s), the database is the embedded one, the broker a folder.
Jobs are held in mid-work (`tests/workers/held.py`). Wall seconds, each taken once.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.page import put, versions
from graph_schema.documents.jobs import JobState
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.servers.embedded import start_embedded
from tests.doors import graph_behind_a_door
from tests.faults.report import PAGE
from tests.workers.held import held
from tests.workers.tiny import Place, Tiny, make_tiny, until, worker, working
from workers.settings import Settings

PATIENCE = 300.0


@contextmanager
def workers(*settings: Settings) -> Generator[list[subprocess.Popen[bytes]]]:
    """Workers that have started, and are not judged by how they end."""
    with ExitStack() as stack:
        found = [stack.enter_context(worker(each)) for each in settings]
        yield found
        for each in found:
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
                each.wait(PATIENCE)
            each.returncode = 0


class Bench:
    """A graph, a tiny model, and homes for workers."""

    def __init__(self, store: GraphStore, tiny: Tiny, folder: Path) -> None:
        self.store = store
        self.tiny = tiny
        self.folder = folder
        self.seed = 0

    def settings(self, home: str, address: StoreAddress | None = None) -> Settings:
        given: dict[str, Any] = {
            "home": self.folder / home,
            "broker": f"filesystem://{self.folder / 'broker'}",
            "artifacts": str(self.folder / "artifacts"),
        }
        made = Settings.model_validate(given).at(address or self.store.address)
        made.home.mkdir(exist_ok=True)
        return made

    def job(self, settings: Settings) -> str:
        """A new job that a worker has in hand."""
        self.seed += 1
        job_id = Place(self.store, settings).submit(self.tiny, self.seed)
        working(self.store, job_id)
        return job_id

    def until_begun_again(self, job_id: str) -> float:
        """Seconds from now."""
        began = time.monotonic()
        until(lambda: jobs.get(self.store, job_id).attempts == 2, PATIENCE)
        return time.monotonic() - began

    def after_a_dead_main(self, other_home: str) -> float:
        """The job of a killed worker is begun again by another one."""
        first, second = self.settings("one"), self.settings(other_home)
        with ExitStack() as stack:
            for home in {first.home, second.home}:
                stack.enter_context(held(home))
            (doomed,) = stack.enter_context(workers(first))
            job_id = self.job(first)
            stack.enter_context(workers(second))
            # Another job, so that the second has loaded all, and is without work again.
            jobs.cancel(self.store, another := self.job(second))
            until(lambda: jobs.get(self.store, another).state.ended, PATIENCE)
            children = psutil.Process(doomed.pid).children()
            doomed.kill()
            found = self.until_begun_again(job_id)
            jobs.cancel(self.store, job_id)
            psutil.wait_procs(children, timeout=PATIENCE)
        return found

    def after_a_dead_child(self) -> float:
        settings = self.settings("one")
        with held(settings.home), workers(settings) as (main,):
            job_id = self.job(settings)
            children = psutil.Process(main.pid).children()
            os.kill(max(children, key=lambda child: child.memory_info().rss).pid, signal.SIGKILL)
            found = self.until_begun_again(job_id)
            jobs.cancel(self.store, job_id)
        return found

    def cancel(self) -> float:
        settings = self.settings("one")
        with held(settings.home), workers(settings):
            job_id = self.job(settings)
            began = time.monotonic()
            jobs.cancel(self.store, job_id)
            until(lambda: jobs.get(self.store, job_id).state is JobState.CANCELLED, PATIENCE)
            return time.monotonic() - began

    def stop(self, hangs: bool) -> float:
        """From SIGTERM to the end of a worker with a job in hand."""
        with graph_behind_a_door(self.store.address) as (address, way):
            settings = self.settings("one", address)
            with held(settings.home), workers(settings) as (main,):
                job_id = self.job(settings)
                if hangs:
                    way.hang()
                    time.sleep(2.0)
                began = time.monotonic()
                main.send_signal(signal.SIGTERM)
                main.wait(PATIENCE)
                found = time.monotonic() - began
                way.go_on()
        jobs.cancel(self.store, job_id)
        return found


def main() -> None:
    """Measure, print, and with --write put the table into docs/reliability.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = make_tiny(folder / "tiny")
        server = start_embedded(folder / "graph", seconds=PATIENCE)
        try:
            with GraphStore(server.address, patience=PATIENCE) as store:
                store.migrate()
                bench = Bench(store, tiny, folder)
                rows = [_row(*each) for each in _all(bench)]
        finally:
            server.stop()
    load = os.getloadavg()[1]
    section = "\n".join(
        [
            f"`python -m tests.faults.times`; {versions()}; {os.cpu_count()} cores, on which "
            f"{load:.0f} processes wanted to run.",
            "",
            "| what | promised, s | took, s |",
            "| --- | ---: | ---: |",
            *rows,
        ]
    )
    sys.stdout.write(f"{section}\n")
    if given.write:
        put("times", section, PAGE)


def _all(bench: Bench) -> list[tuple[str, str, Callable[[], float]]]:
    return [
        ("a killed child's job begins again", "12", bench.after_a_dead_child),
        (
            "a killed main's job begins again on the same machine",
            "12",
            lambda: bench.after_a_dead_main("one"),
        ),
        (
            "a killed main's job begins again on another machine",
            "lease (30) + 5",
            lambda: bench.after_a_dead_main("two"),
        ),
        ("a job that calls back is cancelled", "10", bench.cancel),
        ("a worker with a job has stopped after SIGTERM", "15", lambda: bench.stop(False)),
        ("the same, while the database hangs", "15", lambda: bench.stop(True)),
    ]


def _row(what: str, promised: str, measure: Callable[[], float]) -> str:
    return f"| {what} | {promised} | {measure():.1f} |"


if __name__ == "__main__":
    main()
