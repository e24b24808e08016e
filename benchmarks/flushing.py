"""What it costs that the embedded database flushes what it commits.

    python -m benchmarks.flushing [--jobs 200] [--edges 10000] [--write]

The life of jobs as the graph sees it (submit, claim, three renewals, a result of one small circuit)
and large circuits, with flushing and without. Wall clock, and CPU seconds of the database.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from benchmarks.costs import cost
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
TURN = 20
"""Jobs of the one before the other has its turn."""
LARGE = 3


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


@dataclass
class Side:
    """One of the two databases, and what it has taken: wall seconds and CPU seconds of its own."""

    flush: bool
    store: GraphStore
    process: psutil.Process
    jobs: list[float] = field(default_factory=lambda: [0.0, 0.0])
    large: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def take(self, into: list[float], work: Callable[[], None]) -> None:
        took = cost(work, [self.process])
        into[0] += took.wall
        into[1] += took.served

    def live(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            live(self.store, number)

    def write_large(self, n_edges: int, number: int) -> None:
        circuit = circuit_of(n_edges, f"large {number}")
        self.store.write(lambda tx: write_circuit(tx, circuit))

    def row(self, n_jobs: int) -> str:
        each = " | ".join(f"{seconds / n_jobs * 1000:.0f}" for seconds in self.jobs)
        large = " | ".join(f"{seconds / LARGE:.1f}" for seconds in self.large)
        return f"| {'yes' if self.flush else 'no'} | {each} | {large} |"


@contextmanager
def side(flush: bool, folder: Path) -> Generator[Side]:
    """A database of its own."""
    server = start_embedded(folder, flush=flush)
    try:
        with GraphStore(server.address, patience=60.0) as store:
            store.migrate()
            yield Side(flush, store, psutil.Process(server.process.pid))
    finally:
        server.stop()


def measure(n_jobs: int, n_edges: int, folder: Path) -> list[str]:
    """Markdown rows. The two take turns: what else the machine does meets both."""
    with side(False, folder / "no") as without, side(True, folder / "yes") as with_it:
        sides = (without, with_it)
        for each in sides:
            each.live(0, TURN)  # Java compiles
        for first in range(TURN, TURN + n_jobs, TURN):
            for each in sides:
                each.take(each.jobs, partial(each.live, first, TURN))
        for number in range(LARGE):
            for each in sides:
                each.take(each.large, partial(each.write_large, n_edges, number))
        return [each.row(n_jobs) for each in sides]


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
        rows = measure(given.jobs, given.edges, base)
    section = "\n".join(
        [
            f"`python -m benchmarks.flushing`: {given.jobs} jobs (submit, claim, {RENEWALS} "
            f"renewals, a circuit of 20 edges), then {LARGE} circuits of {given.edges:,} edges, on "
            f"a disk that flushes 4 KB in {probe:.2f} ms; "
            f"{versions('neo4j', 'arcadedb-embedded')}.",
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
