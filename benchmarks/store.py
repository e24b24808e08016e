"""How fast the store writes and answers, at the size of a large atlas.

    python -m benchmarks.store --server neo4j --edges 5000000 --folder /tmp/atlas --write
    python -m benchmarks.store --server embedded --edges 1000000

Fills a database of its own with made circuits of 200 nodes and 500 edges each, through the same
functions as a worker, in as many processes as asked for, then times what people ask: one circuit,
the list by model, task, method and quality, an id by its first digits, and a typed motif of three
nodes inside one circuit. The last hundred calls of each are timed; 90th percentiles are printed,
as a table or with `--json`, or written into `docs/performance.md` with `--write`.

With `--folder` the database stays there, and a run that was cut short goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, LiteralString

from benchmarks.page import put, versions
from graph_schema.documents import CircuitDocument, CircuitEdge, ModelDocument
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.records.circuit_list import CircuitFilter, list_circuits
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.servers.embedded import start_embedded
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.servers.neo4j import start_neo4j
from graph_schema.store.user_cypher.run import run_user_query
from tests.factories import made_edges, make_circuit, make_evaluation, make_model

EDGES_A_CIRCUIT = 500
CIRCUITS_A_CALL = 20
CALLS = 100
TASKS = ("ioi", "induction", "greater_than", "docstring")
FAMILIES = ("gpt2", "llama", "neox", "qwen2", "gemma2")

MOTIF: LiteralString = """
MATCH (:Circuit {circuit_id: $id})-[:CONTAINS]->(a:CircuitNode {kind: 'head'})
MATCH (a)-[:EDGE {channel: 'k'}]->(b:CircuitNode {kind: 'head'})
MATCH (b)-[:EDGE {channel: 'r'}]->(c:CircuitNode {kind: 'mlp'})
RETURN a.name, b.name, c.name
"""


def made_model(number: int) -> ModelDocument:
    """One of the models that circuits are spread over."""
    family = FAMILIES[number % len(FAMILIES)]
    return make_model(f"made/{family}-{number}", family=family, n_layers=12, n_heads=12)


def made_circuit(number: int, n_edges: int = EDGES_A_CIRCUIT) -> CircuitDocument:
    """A circuit of GPT-2's shape: about 200 nodes and 500 edges where no other number is asked."""
    rng = random.Random(number)
    edges: tuple[CircuitEdge, ...] = made_edges(n_edges, n_layers=12, n_heads=12, seed=number % 50)
    task = TASKS[number % len(TASKS)]
    return make_circuit(
        edges,
        model=made_model(number // len(TASKS) % 100),
        job=f"job {number}",
        task=task,
        task_id=task,
        evaluation=make_evaluation(rng.random()),
    )


def fill(address: StoreAddress, first: int, count: int) -> int:
    """Write circuits `first` and on; returns how many edges."""
    edges = 0
    with GraphStore(address, patience=60.0) as store:
        for number in range(first, first + count):
            circuit = made_circuit(number)
            store.write(lambda tx, circuit=circuit: write_circuit(tx, circuit))
            edges += circuit.n_edges
    return edges


def count_circuits(store: GraphStore) -> int:
    return store.rows("MATCH (c:Circuit) RETURN count(c) AS n")[0]["n"]


def fill_all(address: StoreAddress, there: int, circuits: int, processes: int) -> float | None:
    """Write what is not `there` yet; returns edges a second of wall clock, None for nothing."""
    if there >= circuits:
        return None
    start = time.monotonic()
    edges = 0
    # The last calls of a run that was cut short may have left holes: circuits are merged.
    first_missing = max(0, there - processes * CIRCUITS_A_CALL)
    with ProcessPoolExecutor(processes) as pool:
        waiting = [
            pool.submit(fill, address, first, min(CIRCUITS_A_CALL, circuits - first))
            for first in range(first_missing, circuits, CIRCUITS_A_CALL)
        ]
        for done, future in enumerate(as_completed(waiting), start=1):
            edges += future.result()
            if done % 10 == 0 or done == len(waiting):
                rate = edges / (time.monotonic() - start)
                say(f"{edges:>9,} edges written, {rate:,.0f} a second")
    return edges / (time.monotonic() - start)


def percentile(call: Callable[[int], object]) -> dict[str, float]:
    """Median and 90th percentile of a call's wall clock, in milliseconds."""
    taken: list[float] = []
    for number in range(CALLS + 10):
        start = time.perf_counter()
        call(number)
        taken.append(1000 * (time.perf_counter() - start))
    cuts = statistics.quantiles(taken[10:], n=10)
    return {"median_ms": statistics.median(taken[10:]), "p90_ms": cuts[8]}


def measure(store: GraphStore, circuits: int) -> dict[str, dict[str, float]]:
    """The times of what people ask."""
    ids = [made_circuit(n).circuit_id for n in random.Random(0).sample(range(circuits), k=20)]

    found: set[str] = set()

    def listed(number: int) -> None:
        rows = list_circuits(
            store,
            CircuitFilter(
                model=made_model(number % 100).name,
                task=TASKS[number % len(TASKS)],
                method="eap",
                min_faithfulness=0.5,
            ),
        )
        found.update(row.circuit_id for row in rows)

    asked: dict[str, Callable[[int], object]] = {
        "read one circuit": lambda n: read_circuit(store, ids[n % 20]),
        "id by its first digits": lambda n: read_circuit(store, ids[n % 20][:12]).circuit_id,
        "newest 50 circuits": lambda n: list_circuits(store),
        "list by model, task, method, quality": listed,
        "typed 3-node motif in one circuit": lambda n: store.rows(MOTIF, id=ids[n % 20]),
        "the same as a user's query": lambda n: run_user_query(store, MOTIF, {"id": ids[n % 20]}),
    }
    times = {name: percentile(call) for name, call in asked.items()}
    assert found, "no circuit was listed: the filter asks for what is not there"
    return times


def start(server: str, folder: Path) -> JavaServer:
    if server == "neo4j":
        return start_neo4j(folder, heap_megabytes=4096, page_cache_megabytes=4096)
    return start_embedded(folder, heap_megabytes=4096)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def table(found: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    rate = found["edges_a_second"]
    written = "filled before" if rate is None else f"written at {rate:,.0f} edges a second"
    lines = [
        f"{found['server']}: {found['edges']:,} edges in {found['circuits']:,} circuits, {written} "
        f"by {found['processes']} processes; {found['versions']}.",
        "",
        "| asked | median, ms | 90th percentile, ms |",
        "| --- | ---: | ---: |",
    ]
    for name, times in found["times"].items():
        lines.append(f"| {name} | {times['median_ms']:.1f} | {times['p90_ms']:.1f} |")
    return "\n".join(lines)


def run(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Fill the database in `folder` and time what people ask."""
    circuits = max(1, asked.edges // EDGES_A_CIRCUIT)
    server = start(asked.server, folder)
    try:
        with GraphStore(server.address, patience=60.0) as store:
            store.migrate()
            there = count_circuits(store)
            return {
                "server": asked.server,
                "circuits": max(there, circuits),
                "edges": max(there, circuits) * EDGES_A_CIRCUIT,
                "processes": asked.processes,
                "edges_a_second": fill_all(server.address, there, circuits, asked.processes),
                "times": measure(store, max(there, circuits)),
                "versions": versions("neo4j", "arcadedb-embedded"),
            }
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--server", choices=("neo4j", "embedded"), default="embedded")
    parser.add_argument("--edges", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the database here; go on where it was")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    asked = parser.parse_args()
    if asked.folder is not None:
        found = run(asked, asked.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = run(asked, Path(folder, "store"))
    print(json.dumps(found) if asked.json else table(found))
    if asked.write:
        title = f"## The store: {asked.server}\n\n`python -m benchmarks.store`. "
        put(f"store-{asked.server}", title + table(found))


if __name__ == "__main__":
    main()
