"""What two hundred jobs, or ten thousand, cost: submitting, starting, looking after, waiting idle.

    python -m benchmarks.load [--jobs 10000 --workers 10] [--redis] [--server embedded] [--write]

By default it is small: 500 jobs, two workers, some minutes. In this order: a local service with
nothing to do; a job submitted to one idle worker, how long until it is started; jobs submitted one
at a time and then in bulk, to a queue that nobody takes from; a reconciler that looks at them; and
then workers, processes of a main and a child with torch each, which do the jobs (a two-layer model
of 32 dimensions) for a while. Rates are of the wall clock, which a busy machine slows: CPU seconds,
of the client, the database and each process, stand beside them. Memory is resident (RSS), and with
shared pages parted among who shares them (PSS).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from prometheus_client import generate_latest

from benchmarks.costs import cost, cpu_of, memory_of
from benchmarks.page import put, versions
from benchmarks.store import start
from graph_schema.datasets.file import dataset_document, read_jsonl
from graph_schema.documents.jobs import JobState
from graph_schema.processes import reserved_port
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.java import JavaServer
from tests.servers import running_redis
from tests.workers.tiny import Tiny, ended, make_tiny, until
from workers import broker
from workers.client.service import Service
from workers.local import service as local
from workers.local.ending import down
from workers.requests.discover import Submission
from workers.running.metrics import Metrics
from workers.running.reconcile import Reconciler
from workers.settings import Settings

ONE_AT_A_TIME = 200
STARTS = 15
LOOKS = 5
IDLE_SECONDS = 30.0
SETTLING_SECONDS = 60.0
"""Its compiler is still at work for half a minute after it has started."""
WINDOW_SECONDS = 60.0

Row = tuple[str, str]


@dataclass
class Rig:
    """Servers, and a client of theirs."""

    server: JavaServer
    service: Service
    tiny: Tiny

    @property
    def database(self) -> psutil.Process:
        return psutil.Process(self.server.process.pid)

    def submissions(self, first: int, n: int) -> list[Submission]:
        """Jobs that nobody has asked for before, on one dataset."""
        spec = self.tiny.spec(self.service.store)
        dataset = dataset_document(read_jsonl(self.tiny.jsonl), "made")
        placement = self.tiny.placement
        return [
            Submission(spec.model_copy(update={"seed": first + number}), placement, dataset)
            for number in range(n)
        ]


@contextmanager
def worker(settings: Settings) -> Generator[subprocess.Popen[bytes]]:
    """A worker's main process, told to stop at the end."""
    log = settings.home / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.running.worker"],
            env=settings.environment(),
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(120)


def idle_service(home: Path) -> Iterator[Row]:
    """What a local service takes that has nothing to do and no worker."""
    settings = Settings.model_validate({"home": home, "idle_seconds": 3600})
    began = time.monotonic()
    local.ensure_local(settings)
    yield "local service: started after", f"{time.monotonic() - began:.1f} s"
    try:
        time.sleep(SETTLING_SECONDS)
        found = local.status(settings)
        named = {"supervisor": found.supervisor_pid, "database": found.database_pid}
        both = {name: psutil.Process(pid) for name, pid in named.items() if pid is not None}
        before, began = {name: cpu_of([each]) for name, each in both.items()}, time.monotonic()
        time.sleep(IDLE_SECONDS)
        wall = time.monotonic() - began
        for name, process in both.items():
            share = (cpu_of([process]) - before[name]) / wall
            yield f"idle local service: {name}", f"{share:.2%} CPU, {memory_of(process)}"
        yield "idle local service: worker", "none" if found.worker_pid is None else "there is one"
    finally:
        down(settings)


def starts(rig: Rig) -> Iterator[Row]:
    """From the call of submit to the start of the job, on a worker that is idle."""
    service, store = rig.service, rig.service.store
    with worker(service.settings):
        (first, *others) = rig.submissions(0, STARTS + 1)
        service.submit(first, force=False)
        ended(store, first.spec.job_id, 600)
        took: list[float] = []
        for each in others:
            time.sleep(0.3)
            began = time.time()
            service.submit(each, force=False)
            record = ended(store, each.spec.job_id, 600)
            assert record.state is JobState.SUCCEEDED
            assert record.started_at is not None
            took.append(record.started_at - 1000 * began)
        median, best = statistics.median(took), min(took)
        yield "submit → start, idle worker", f"{median:.0f} ms, best {best:.0f} ms"


def submits(rig: Rig, n_jobs: int) -> Iterator[Row]:
    """Jobs one at a time, and then the others in bulk."""
    service = rig.service
    few = rig.submissions(1000, min(ONE_AT_A_TIME, n_jobs // 2))
    many = rig.submissions(10_000, n_jobs - len(few))

    def one_at_a_time() -> None:
        for each in few:
            service.submit(each, force=False)

    yield "submits, one at a time", _rate(rig, one_at_a_time, len(few))
    yield "submits, in bulk", _rate(rig, lambda: service.submit_many(many), len(many))
    again = few[-20:]
    for each in again:
        service.cancel(each.spec.job_id)

    def on_top() -> None:
        for each in again:
            service.submit(each, force=False)

    yield f"one at a time, {n_jobs:,} queued", _rate(rig, on_top, len(again))


def _rate(rig: Rig, work: Callable[[], object], n: int) -> str:
    took = cost(work, [rig.database])
    return (
        f"{n / took.wall:.0f} a second; CPU a job: client {1000 * took.own / n:.1f} ms, "
        f"database {1000 * took.served / n:.1f} ms"
    )


def looks(rig: Rig) -> Iterator[Row]:
    """What a reconciler costs that finds nothing to do."""
    service = rig.service
    reconciler = Reconciler(service.settings, service.store, service.app, "benchmark")
    own, served = _median(rig, reconciler.once)
    a_minute = 60 / Settings.model_fields["reconcile_seconds"].default
    yield (
        "a reconciler with nothing to do, CPU s a minute",
        f"{own * a_minute:.2f}, of the database {served * a_minute:.2f}",
    )


def scrapes(rig: Rig) -> Iterator[Row]:
    """What is asked of graph and queue when a worker's metrics are scraped."""
    depths = partial(broker.queue_depths, rig.service.app)
    own, served = _median(rig, lambda: generate_latest(Metrics(rig.service.store, depths).registry))
    yield "a scrape of metrics", f"{own:.3f} CPU s, of the database {served:.2f}"


def _median(rig: Rig, work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of this process and of the database."""
    took = [cost(work, [rig.database]) for _ in range(LOOKS)]
    own, served = ([each.own for each in took], [each.served for each in took])
    return statistics.median(own), statistics.median(served)


def works(rig: Rig, n_workers: int) -> Iterator[Row]:
    """Real workers on the full queue, for a while."""
    store = rig.service.store
    slow = rig.service.settings.model_copy(update={"reconcile_seconds": 5.0, "resend_seconds": 10})
    with ExitStack() as stack:
        mains = [psutil.Process(stack.enter_context(worker(slow)).pid) for _ in range(n_workers)]
        until(lambda: all(len(_children(main)) == 1 for main in mains), 600)
        children = [child for main in mains for child in _children(main)]
        done = _succeeded(store)
        until(lambda: _succeeded(store) >= done + n_workers, 600)
        done, began = _succeeded(store), time.monotonic()
        parts = {"mains": mains, "children": children, "database": [rig.database]}
        before = {name: cpu_of(each) for name, each in parts.items()}
        time.sleep(WINDOW_SECONDS)
        wall, done = time.monotonic() - began, _succeeded(store) - done
        used = {name: 60 / wall * (cpu_of(each) - before[name]) for name, each in parts.items()}
        yield f"{n_workers} workers: jobs done", f"{done / wall:.1f} a second"
        for name, seconds in used.items():
            yield f"{n_workers} workers: CPU s a minute, {name}", f"{seconds:.1f}"
        yield "one worker's main", memory_of(mains[0])
        yield "one worker's child, torch and a tiny model", memory_of(children[0])
    yield "the database, then", memory_of(rig.database)
    yield "the client, then", memory_of(psutil.Process())


def _children(main: psutil.Process) -> list[psutil.Process]:
    """The processes with torch: Celery's pool, without multiprocessing's own helper."""
    found = main.children(recursive=True)
    return [each for each in found if each.memory_info().rss > 200e6]


def _succeeded(store: GraphStore) -> int:
    found = store.rows("MATCH (j:Job {state: 'succeeded'}) RETURN count(j) AS n")
    return int(found[0]["n"])


def measure(given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """All rows, as they are found."""
    yield from idle_service(folder / "local")
    with ExitStack() as stack:
        server = start(given.server, folder / "store")
        stack.callback(server.stop)
        url = None
        if given.redis:
            url = stack.enter_context(running_redis(folder, stack.enter_context(reserved_port())))
        store = stack.enter_context(GraphStore(server.address, patience=60.0))
        store.migrate()
        told = {"home": folder / "home", "broker": url, "resend_seconds": 3600}
        settings = Settings.model_validate(told).at(server.address)
        settings.home.mkdir()
        service = Service(settings, server.address, store)
        stack.callback(service.close)
        rig = Rig(server, service, make_tiny(folder / "model", n_pairs=32))
        yield from starts(rig)
        yield from submits(rig, given.jobs)
        waiting = broker.queue_depth(service.app)
        yield "messages in the queue", f"{waiting:,}"
        yield from looks(rig)
        yield from scrapes(rig)
        if given.workers:
            yield from works(rig, given.workers)


def main() -> None:
    """Measure, print, and with --write put the table into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--server", choices=("embedded", "neo4j"), default="embedded")
    parser.add_argument("--redis", action="store_true", help="a Redis server as the queue")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    queue = "Redis" if given.redis else "a folder"
    name = f"{given.server} database, {queue} as the queue"
    lines = ["| measured | |", "| --- | --- |"]
    with tempfile.TemporaryDirectory() as folder:
        for what, found in measure(given, Path(folder)):
            lines.append(f"| {what} | {found} |")
            sys.stderr.write(f"{what}: {found}\n")
    section = "\n".join(
        [
            f"## Load: {name}",
            "",
            f"`python -m benchmarks.load --jobs {given.jobs} --workers {given.workers}`: "
            f"{given.jobs:,} jobs, {psutil.cpu_count()} cores, load average "
            f"{psutil.getloadavg()[1]:.0f} at the end; "
            f"{versions('celery', 'neo4j', 'arcadedb-embedded', 'torch')}.",
            "",
            *lines,
        ]
    )
    sys.stdout.write(f"{section}\n")
    if given.write:
        put(f"load-{given.server}{'-redis' if given.redis else ''}", section)


if __name__ == "__main__":
    main()
