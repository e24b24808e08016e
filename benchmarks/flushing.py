"""What it costs that the embedded database flushes what it commits.

    python -m benchmarks.flushing [--jobs 200] [--edges 10000] [--write]

The life of jobs as the graph sees it (submit, claim, three renewals, a result of one small circuit)
and one large circuit, with flushing and without. Wall clock, and CPU seconds of the database.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.page import put, versions
from graph_schema.documents import (
    CircuitDocument,
    DatasetData,
    Eap,
    ModelId,
    ModelSource,
    TopEdges,
)
from graph_schema.documents.jobs import DiscoverSpec, Placement
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.servers.embedded import start_embedded
from tests.factories import made_edges, make_circuit, make_model

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
RENEWALS = 3
WARM = 20
"""Jobs before the first that is measured: Java compiles."""


def circuit_of(edges: int, job: str) -> CircuitDocument:
    """A made circuit of a model of 24 layers of 16 heads."""
    model = make_model("made/large", n_layers=24, n_heads=16)
    return make_circuit(made_edges(edges, n_layers=24, n_heads=16), model=model, job=job)


def live(store: GraphStore, number: int) -> None:
    """All that the graph hears of one job."""
    spec = DiscoverSpec(
        model=ModelId(fingerprint="ab" * 32),
        data=DatasetData(sha256="cd" * 32, task="made"),
        method=Eap(),
        selection=TopEdges(n_edges=20),
        seed=number,
    )
    jobs.submit(store, spec, Placement(model=ModelSource(name="/models/tiny")))
    jobs.claim(store, spec.job_id, "token", owner="benchmark", lease=60.0, max_attempts=3)
    for _ in range(RENEWALS):
        jobs.renew(store, spec.job_id, "token", lease=60.0, progress=None)
    circuit = circuit_of(20, f"job {number}")
    ids = (circuit.circuit_id,)
    jobs.finish(store, spec.job_id, "token", lambda tx: write_circuit(tx, circuit), ids)


def measure(flush: bool, n_jobs: int, n_edges: int, folder: Path) -> str:
    """A Markdown row."""
    server = start_embedded(folder, flush=flush)
    try:
        database = psutil.Process(server.process.pid)

        def timed(work: Callable[[], None]) -> tuple[float, float]:
            wall, used = time.monotonic(), sum(database.cpu_times()[:2])
            work()
            return time.monotonic() - wall, sum(database.cpu_times()[:2]) - used

        def lives() -> None:
            for number in range(WARM, WARM + n_jobs):
                live(store, number)

        def large() -> None:
            circuit = circuit_of(n_edges, "large")
            store.write(lambda tx: write_circuit(tx, circuit))

        with GraphStore(server.address, patience=60.0) as store:
            store.migrate()
            for number in range(WARM):
                live(store, number)
            (job_wall, job_cpu), (wall, cpu) = timed(lives), timed(large)
    finally:
        server.stop()
    each, used = job_wall / n_jobs * 1000, job_cpu / n_jobs * 1000
    return f"| {'yes' if flush else 'no'} | {each:.0f} | {used:.0f} | {wall:.1f} | {cpu:.1f} |"


def flush_milliseconds(folder: Path, rounds: int = 200) -> float:
    """How long this disk takes to flush four kilobytes."""
    with (folder / "probe").open("wb", buffering=0) as file:
        began = time.monotonic()
        for _ in range(rounds):
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
        return (time.monotonic() - began) / rounds * 1000


def main() -> None:
    """Measure, print, and with --write put the table into docs/reliability.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--edges", type=int, default=10_000)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        probe = flush_milliseconds(base)
        rows = [
            measure(flush, given.jobs, given.edges, base / str(flush)) for flush in (False, True)
        ]
    section = "\n".join(
        [
            f"`python -m benchmarks.flushing`: {given.jobs} jobs (submit, claim, {RENEWALS} "
            f"renewals, a circuit of 20 edges), then a circuit of {given.edges:,} edges, on a disk "
            f"that flushes 4 KB in {probe:.2f} ms; {versions('neo4j', 'arcadedb-embedded')}.",
            "",
            "| flushed | wall ms a job | CPU ms a job, database | wall s, large circuit | "
            "CPU s, database |",
            "| --- | ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )
    sys.stdout.write(f"{section}\n")
    if given.write:
        put("flushing", section, PAGE)


if __name__ == "__main__":
    main()
