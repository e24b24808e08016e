"""How long one large circuit takes to write and to read, in an empty graph and in a full one.

    python -m benchmarks.writing [--server embedded] [--stored 50000] [--write]

A circuit of 3,602 nodes and 20,000 edges between features, through the same functions as a worker:
written new, read, written again unchanged and with other scores; then, with as many components of
the same model stored as asked for, another one. Wall clock, with the CPU seconds of the server and
of this process beside it: on a busy machine their sum says more. A first circuit of 3,602 nodes
warms the server up.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.page import put, versions
from benchmarks.store import start
from graph_schema.documents import Channel, CircuitDocument, CircuitEdge, ScoreKind
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, write_circuit
from tests.factories import make_circuit, make_model

LAYERS, NODES, EDGES = 24, 3_600, 20_000
FILLING = 2_400
MODEL = make_model("made/features", n_layers=LAYERS, n_heads=8, d_mlp=10**8, n_edges=10**9)

Times = dict[str, tuple[float, float, float]]


def feature_circuit(number: int, nodes: int = NODES, edges: int = EDGES) -> CircuitDocument:
    """A circuit of neurons no other one has, each joined to the input and the logits."""
    rng = random.Random(number)
    width = nodes // LAYERS
    layers = [
        [f"m{layer}.n{number * NODES + at}" for at in range(width)] for layer in range(LAYERS)
    ]
    every = [name for layer in layers for name in layer]
    ends = dict.fromkeys(pair for name in every for pair in (("input", name), (name, "logits")))
    while len(ends) < edges:
        low, high = sorted(rng.sample(range(LAYERS), 2))
        ends[rng.choice(layers[low]), rng.choice(layers[high])] = None
    made = tuple(
        CircuitEdge(
            sender=sender,
            receiver=receiver,
            channel=Channel.R,
            score=rng.gauss(0, 1),
            score_kind=ScoreKind.ESTIMATE,
        )
        for sender, receiver in ends
    )
    return make_circuit(made, model=MODEL, job=f"features {number}")


def measure(server_name: str, stored: int, folder: Path) -> Times:
    """Seconds of wall clock, of the server's CPU and of this process's, by what was done."""
    server = start(server_name, folder)
    try:
        process = psutil.Process(server.process.pid)

        def timed(work: Callable[[], object]) -> tuple[float, float, float]:
            used, own, began = process.cpu_times(), time.process_time(), time.monotonic()
            work()
            took, now = time.monotonic() - began, process.cpu_times()
            served = now.user + now.system - used.user - used.system
            return took, served, time.process_time() - own

        with GraphStore(server.address, patience=60.0) as store:
            store.migrate()

            def write(circuit: CircuitDocument) -> None:
                store.write(lambda tx: write_circuit(tx, circuit))

            write(feature_circuit(0))
            one = feature_circuit(1)
            other_scores = tuple(
                edge.model_copy(update={"score": edge.score + 1}) for edge in one.edges
            )
            again = one.model_copy(update={"edges": other_scores})
            found = {
                "written, nearly empty graph": timed(lambda: write(one)),
                "read": timed(lambda: read_circuit(store, one.circuit_id)),
                "written again, unchanged": timed(lambda: write(one)),
                "written again, other scores": timed(lambda: write(again)),
            }
            fillings = max(0, stored - 2 * NODES) // FILLING
            for number in range(2, 2 + fillings):
                write(feature_circuit(number, FILLING, 2 * FILLING))
            last = feature_circuit(2 + fillings)
            count = store.rows("MATCH (p:Component) RETURN count(p) AS n")[0]["n"]
            found[f"written, {count:,} components stored"] = timed(lambda: write(last))
            return found
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writing", description=__doc__)
    parser.add_argument("--server", choices=("neo4j", "embedded"), action="append")
    parser.add_argument("--stored", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    asked = parser.parse_args()
    found: dict[str, Times] = {}
    for server in asked.server or ("embedded", "neo4j"):
        with tempfile.TemporaryDirectory() as folder:
            found[server] = measure(server, asked.stored, Path(folder, "store"))
    lines = [
        "| server | done | seconds | server's CPU seconds | client's CPU seconds |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {server} | {what} | {wall:.1f} | {served:.1f} | {own:.1f} |"
        for server, times in found.items()
        for what, (wall, served, own) in times.items()
    ]
    table = "\n".join(lines)
    print(json.dumps(found) if asked.json else table)
    if asked.write:
        title = (
            "## Writing a large circuit\n\n`python -m benchmarks.writing`: 3,602 nodes, 20,000 "
            f"edges between features; {versions('neo4j', 'arcadedb-embedded')}.\n\n"
        )
        put("writing", title + table)


if __name__ == "__main__":
    main()
