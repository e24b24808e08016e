"""How long one large circuit takes to write and to read, in an empty graph and in a full one.

    python -m benchmarks.writing [--server embedded] [--stored 50000] [--write]

A circuit of 3,602 nodes and 20,000 edges: features of twelve dictionaries, neurons, heads, errors
and rest, with figures and labels. Through the same functions as a worker it is written new, its
units are described, it is read, shown, asked about, written again unchanged and with other scores;
then, with as many components of the same model stored as asked for, another one. Wall clock, with
the CPU seconds of the server and of this process beside it: on a busy machine their sum says more.
The first circuit is written by a server that has only just started.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.costs import cost
from benchmarks.made_features import NODES, descriptions, feature_circuit
from benchmarks.page import put, versions
from benchmarks.store import start
from graph_schema.documents import CircuitDocument, Features
from graph_schema.reports import edge_table, feature_table, layer_table, picture, summary
from graph_schema.store.connection import GraphStore
from graph_schema.store.questions.ask import ask
from graph_schema.store.records.circuits import read_circuit, write_circuit
from graph_schema.store.records.features import read_features, write_features

FILLING = 2_400

ASKED = ("opposing-features", "opposing-loops", "strongest-paths", "unstable-edges", "supernodes")

Times = dict[str, tuple[float, float, float]]


def shown(circuit: CircuitDocument, units: Features) -> str:
    """What `circuits show` prints of it."""
    parts = (
        summary(circuit),
        layer_table(circuit),
        picture(circuit),
        edge_table(circuit),
        feature_table(circuit, units, 20),
    )
    return "\n\n".join(parts)


def measure(server_name: str, stored: int, folder: Path) -> Times:
    """Seconds of wall clock, of the server's CPU and of this process's, by what was done."""
    server = start(server_name, folder)
    try:
        process = psutil.Process(server.process.pid)

        def timed(work: Callable[[], object]) -> tuple[float, float, float]:
            took = cost(work, [process])
            return took.wall, took.served, took.own

        with GraphStore(server.address, patience=60.0) as store:
            store.migrate()

            def write(circuit: CircuitDocument) -> None:
                store.write(lambda tx: write_circuit(tx, circuit))

            first, one = feature_circuit(0), feature_circuit(1)
            units = tuple(descriptions(one))
            other_scores = tuple(
                edge.model_copy(update={"score": edge.strength + 1}) for edge in one.edges
            )
            again = one.model_copy(update={"edges": other_scores})
            found = {
                "written, server just started": timed(lambda: write(first)),
                "written, nearly empty graph": timed(lambda: write(one)),
                "its units described": timed(
                    lambda: store.write(lambda tx: write_features(tx, one, units))
                ),
                "read": timed(lambda: read_circuit(store, one.circuit_id)),
                "descriptions read": timed(lambda: read_features(store, one.circuit_id)),
                "shown as text": timed(lambda: shown(one, Features(units=units))),
                **{
                    f"asked: {name}": timed(
                        lambda name=name: ask(store, name, {"circuit": one.circuit_id})
                    )
                    for name in ASKED
                },
                "asked: features-by-label": timed(
                    lambda: ask(store, "features-by-label", {"text": "second clause"})
                ),
                **{
                    f"asked: {name}": timed(
                        lambda name=name: ask(store, name, {"model": one.model.name})
                    )
                    for name in ("shared-features", "shared-components")
                },
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
            f"edges of features, neurons and heads; {versions('neo4j', 'arcadedb-embedded')}.\n\n"
        )
        put("writing", title + table)


if __name__ == "__main__":
    main()
