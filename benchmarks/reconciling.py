"""How long a reconciler takes to send again what a broker lost, and how long it is deaf meanwhile.

    python -m benchmarks.reconciling [--jobs 10000] [--redis] [--write]

So many jobs wait in the graph, sent long ago, and the queue is empty: what a Redis leaves that lost
its memory, or a folder that was deleted. One reconciler looks until every message is back. The
embedded database; wall clock, with the CPU seconds of this process and of the database beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import LiteralString

import psutil

from benchmarks.costs import cost
from benchmarks.page import put, versions
from benchmarks.store import start
from graph_schema.documents import ModelSource
from graph_schema.documents.jobs import Placement
from graph_schema.processes import reserved_port
from graph_schema.store.batches import lots
from graph_schema.store.connection import GraphStore
from tests.servers import running_redis
from workers import broker
from workers.running.reconcile import Reconciler
from workers.settings import read_settings

QUEUED: LiteralString = """
UNWIND $job_ids AS id
CREATE (j:Job {job_id: id, kind: 'discover', state: 'queued', spec: '{}', placement: $placement,
    needs: [], needs_on_failure: [], attempts: 0, cancel_requested: false, nonce: id,
    submitted_at: timestamp() - 3600000, sent_at: timestamp() - 3600000})
"""
AT_ONCE = 1000


def fill(store: GraphStore, n_jobs: int) -> None:
    """Jobs that were submitted and sent an hour ago."""
    placement = Placement(model=ModelSource(name="/models/tiny")).canonical_json()
    ids = [f"{number:064x}" for number in range(n_jobs)]
    for batch in lots(ids, AT_ONCE):
        store.write(
            lambda tx, batch=batch: tx.run(QUEUED, job_ids=batch, placement=placement).consume()
        )


def measure(n_jobs: int, with_redis: bool, folder: Path) -> str:
    """A Markdown row: seconds until all is sent again, of the wall and of both processes."""
    with ExitStack() as stack:
        server = start("embedded", folder / "store")
        stack.callback(server.stop)
        url = None
        if with_redis:
            port = stack.enter_context(reserved_port())
            url = stack.enter_context(running_redis(folder, port))
        store = stack.enter_context(GraphStore(server.address, patience=60.0))
        store.migrate()
        fill(store, n_jobs)
        settings = read_settings(home=folder, broker=url, graph="bolt://unused")
        app = broker.make_app(settings)
        stack.callback(app.close)
        reconciler = Reconciler(settings, store, app, "benchmark")
        database = psutil.Process(server.process.pid)

        def all_sent() -> None:
            while broker.queue_depth(app) < n_jobs:
                reconciler.once()

        took = cost(all_sent, [database])
        queue = "Redis" if with_redis else "a folder"
        return f"| {n_jobs:,} | {queue} | {took.wall:.1f} | {took.own:.1f} | {took.served:.1f} |"


def main() -> None:
    """Measure, print, and with --write put the table into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--redis", action="store_true", help="a Redis server as the queue")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = measure(given.jobs, given.redis, Path(folder))
    section = "\n".join(
        [
            "## After a lost queue",
            "",
            f"`python -m benchmarks.reconciling`; {versions('celery', 'neo4j')}.",
            "",
            "| jobs to send again | queue | wall s | CPU s, worker's main | CPU s, database |",
            "| ---: | --- | ---: | ---: | ---: |",
            row,
        ]
    )
    sys.stdout.write(f"{section}\n")
    if given.write:
        put("reconciling", section)


if __name__ == "__main__":
    main()
