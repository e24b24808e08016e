"""Eight processes submit the same spec at the same moment; prints how many sent its message.

python -m tests.workers.eight ARGUMENTS.json
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

from graph_schema.documents.jobs import DiscoverSpec, Placement
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from workers import broker
from workers.settings import read_settings


def submit(barrier: Barrier, spec: str, placement: str) -> None:
    settings = read_settings()
    app = broker.make_app(settings)
    with GraphStore(settings.store_address(), patience=120.0) as store:
        store.ping()
        barrier.wait()
        submitted = jobs.submit(
            store,
            DiscoverSpec.model_validate_json(spec),
            Placement.model_validate_json(placement),
        )
        if submitted.send:
            broker.send(app, submitted.record)
            sys.exit(7)


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)
    processes = [
        context.Process(target=submit, args=(barrier, given["spec"], given["placement"]))
        for _ in range(8)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    codes = sorted(process.exitcode or 0 for process in processes)
    assert set(codes) <= {0, 7}, codes
    sys.stdout.write(str(codes.count(7)))
