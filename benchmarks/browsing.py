"""How long pages of `circuits web` take to their first paint, with an atlas behind them.

    python -m benchmarks.browsing [--circuits 2000 --jobs 2000 --times 7] [--folder DIR] [--write]

Fills an embedded database of its own with made circuits and queued jobs, serves the pages, and
visits each of them in chromium: the server's time is from the request to the answer's first byte,
the paint is the first one with something to read (first-contentful-paint, from when the visit
began), both as the browser measures them. Medians; the first visit of a page, which fills caches
of both, stands beside. With `--folder` the database stays there, and a run that was cut short goes
on where it was.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from playwright.sync_api import Browser, Page

from benchmarks.page import put, versions
from benchmarks.store import TASKS, count_circuits, made_circuit
from graph_schema.documents import CircuitDocument, DatasetData, Eap, ModelId, ModelSource, TopEdges
from graph_schema.documents.jobs import DiscoverSpec, Placement
from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.servers.embedded import start_embedded
from tests.factories import make_dataset
from tests.workers.web.chrome import running_chrome
from tests.workers.web.weights import weight
from workers.client import CircuitClient
from workers.settings import Settings
from workers.web.access import Access
from workers.web.app import SCREENS, make_app
from workers.web.serving import LOOPBACK
from workers.web.site import Site

COOKIE = "circuits-benchmark"
EDGES, LARGE = 120, 2_000
LARGE_EVERY = 500
AIM_MS = 500.0
LOOK = """() => {
  const [visit] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return {
    server: visit.responseStart - visit.requestStart, paint: paint ? paint.startTime : null,
  };
}"""


@dataclass(frozen=True)
class Visited:
    """A page: times in milliseconds, sizes in bytes."""

    name: str
    server: float
    paint: float
    first: float
    html: int
    script: int
    style: int


def made(number: int) -> CircuitDocument:
    """A small circuit; now and then a large one."""
    large = number % LARGE_EVERY == LARGE_EVERY - 1
    return made_circuit(number, LARGE if large else EDGES)


def fill(store: GraphStore, n_circuits: int, n_jobs: int) -> None:
    """Write what is not there yet."""
    for number in range(count_circuits(store), n_circuits):
        circuit = made(number)
        store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
        if number % 100 == 99:
            sys.stderr.write(f"{number + 1:,} circuits\n")
    there = int(store.rows("MATCH (j:Job) RETURN count(j) AS n")[0]["n"])
    placement = Placement(model=ModelSource(name="/models/board"))
    for number in range(there, n_jobs):
        spec = DiscoverSpec(
            model=ModelId(fingerprint="f" * 64),
            data=DatasetData(sha256=make_dataset().sha256, task=TASKS[number % len(TASKS)]),
            method=Eap(),
            selection=TopEdges(n_edges=5),
            seed=number,
        )
        jobs.submit(store, spec, placement)


def paths(store: GraphStore) -> Iterator[tuple[str, str]]:
    """Every screen, by what it is called, some of them with something chosen."""
    for path in SCREENS:
        if "{" not in path and "." not in path:
            yield path, path
    small, large = (f"/circuits/{made(number).circuit_id}" for number in (0, LARGE_EVERY - 1))
    node = made(0).nodes_in_order[5]
    yield f"a circuit of {EDGES} edges", small
    yield "the same, a node chosen", f"{small}?node={node}"
    yield f"a circuit of {LARGE:,} edges", large
    yield "circuits by model", "/circuits?model=gpt2"
    yield "jobs by task", "/jobs?task=ioi"
    found = store.rows("MATCH (j:Job) RETURN j.job_id AS id ORDER BY id LIMIT 1")
    if found:
        yield "a job", f"/jobs/{found[0]['id']}"
    yield "a question, asked", "/cypher?question=circuits-by-task"


@contextmanager
def served(settings: Settings) -> Generator[tuple[str, str]]:
    """The pages' address, and the one that lets a browser in."""
    with CircuitClient(settings=settings) as client, reserved_port() as port:
        access = Access(os.urandom(32))
        app = make_app(Site(client, access), LOOPBACK, COOKIE)
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="critical", lifespan="off",
            timeout_graceful_shutdown=0,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            own = f"http://127.0.0.1:{port}"
            yield own, f"{own}/enter?word={access.invite()}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def visit(page: Page, name: str, url: str, times: int) -> Visited:
    """The page, so many times after the first."""
    found: list[dict[str, Any]] = []
    for _ in range(times + 1):
        page.goto(url, wait_until="load")
        while (seen := page.evaluate(LOOK))["paint"] is None:  # told a moment after it happened
            time.sleep(0.02)
        found.append(seen)
    first, *others = found
    server, paint = (statistics.median(each[key] for each in others) for key in ("server", "paint"))
    # As they are on the disk: what the browser has kept it does not count.
    sizes = weight(page.request.get(url).text())
    return Visited(name, server, paint, first["paint"], *sizes)


def measure(chrome: Browser, settings: Settings, store: GraphStore, times: int) -> list[Visited]:
    """Every page."""
    with served(settings) as (own, entrance):
        page = chrome.new_page()
        page.goto(entrance)
        page.wait_for_url("**/atlas")
        found: list[Visited] = []
        for name, path in paths(store):
            found.append(visit(page, name, own + path, times))
            sys.stderr.write(f"{found[-1]}\n")
        return found


def section(found: list[Visited], given: argparse.Namespace) -> str:
    """What was measured, as Markdown."""
    slow = [each.name for each in found if each.paint > AIM_MS]
    lines = [
        "## Pages in a browser",
        "",
        f"`python -m benchmarks.browsing`: {given.circuits:,} circuits of {EDGES} edges (a few of "
        f"{LARGE:,}) and {given.jobs:,} jobs in the embedded database, pages in chromium without a "
        f"head, {psutil.cpu_count()} cores, load average {psutil.getloadavg()[1]:.0f} at the end; "
        f"medians of {given.times} visits, milliseconds from the visit's begin; "
        f"{versions('starlette', 'uvicorn', 'neo4j', 'arcadedb-embedded')}.",
        "",
        "| page | server's time | first paint | at first | HTML, kB | script, kB | style, kB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in found:
        sizes = " | ".join(f"{size / 1000:.1f}" for size in (each.html, each.script, each.style))
        times = f"{each.server:.0f} | {each.paint:.0f} | {each.first:.0f}"
        lines.append(f"| {each.name} | {times} | {sizes} |")
    said = ", ".join(slow) if slow else "none"
    lines += ["", f"Later than {AIM_MS:.0f} ms: {said}."]
    return "\n".join(lines)


def run(given: argparse.Namespace, folder: Path) -> str:
    """Fill the database in `folder`, and visit every page."""
    server = start_embedded(folder / "store", heap_megabytes=1024)
    try:
        address = server.address
        settings = Settings(home=folder / "home").at(address)
        with GraphStore(address, patience=60.0) as store:
            store.migrate()
            fill(store, given.circuits, given.jobs)
            with running_chrome() as chrome:
                return section(measure(chrome, settings, store, given.times), given)
    finally:
        server.stop()


def main() -> None:
    """Measure, print, and with --write put the table into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browsing", description=__doc__)
    parser.add_argument("--circuits", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
        said = run(given, given.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            said = run(given, Path(folder))
    sys.stdout.write(f"{said}\n")
    if given.write:
        put("browsing", said)


if __name__ == "__main__":
    main()
