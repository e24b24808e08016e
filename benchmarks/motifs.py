"""How often motif tests are wrong on circuits from the null, how often they find a plant, how fast.

    python -m benchmarks.motifs [--circuits N] [--draws N] [--json]

Circuits are made ones (`tests.graph_schema.motifs.simulated`). A false call is a circuit drawn from
both null models in which anything is called; power is the share of circuits in which the planted
motif is called, by the size of the plant. Times are CPU seconds of this process.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest

from graph_schema.documents import MotifState
from graph_schema.motifs import CircuitGraph, catalogue, motif_tests
from tests.graph_schema.motifs.simulated import (
    null_circuits,
    plant_induction,
    plant_loops,
    random_circuit,
)

Plant = Callable[[CircuitGraph, int, np.random.Generator], CircuitGraph]
PLANTS: list[tuple[str, Plant, str, list[int]]] = [
    ("feed-forward loops", plant_loops, "triad_feed_forward", [5, 10, 20, 40]),
    ("induction pairs", plant_induction, "induction", [1, 2, 4, 8]),
]


def report(row: dict[str, object], rows: list[dict[str, object]]) -> None:
    rows.append(row)
    print("  ".join(f"{key} {value}" for key, value in row.items()), file=sys.stderr, flush=True)


def share(hits: int, n: int) -> dict[str, object]:
    bounds = binomtest(hits, n).proportion_ci()
    return {
        "share": round(hits / n, 3),
        "ci_low": round(bounds.low, 3),
        "ci_high": round(bounds.high, 3),
        "n": n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=200)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    motifs = list(catalogue().values())
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []

    large = random_circuit(rng, n_layers=12, n_heads=12, n_edges=500)
    start = time.process_time()
    motif_tests({"large": large}, motifs, draws=options.draws)
    seconds = round(time.process_time() - start, 2)
    report({"what": "500 edges, whole catalogue", "cpu_seconds": seconds}, rows)

    base = random_circuit(rng, n_layers=6, n_heads=8, n_edges=100)
    hits = 0
    for seed, graph in enumerate(null_circuits(base, options.circuits, rng)):
        tests = motif_tests({"c": graph}, motifs, draws=options.draws, seed=seed)
        hits += any(test.state is MotifState.CALLED for test in tests)
    report({"what": "false calls", **share(hits, options.circuits)}, rows)

    n = max(10, options.circuits // 10)
    for what, plant, name, sizes in PLANTS:
        for size in sizes:
            hits = 0
            for seed in range(n):
                graph = plant(random_circuit(rng, n_layers=6, n_heads=8, n_edges=100), size, rng)
                tests = motif_tests({"c": graph}, motifs, draws=options.draws, seed=seed)
                hits += any(t.state is MotifState.CALLED and t.motif == name for t in tests)
            report({"what": f"power, {size} {what}", **share(hits, n)}, rows)
    if options.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
