"""How often motif tests are wrong on circuits from the null, how often they find a plant, how fast.

    python -m benchmarks.motifs [--circuits N] [--draws N] [--only times|power] [--json] [--write]

Circuits are made ones (`tests.graph_schema.motifs.simulated`). A false call is a circuit drawn from
both null models in which anything is called; power is the share of circuits in which the planted
motif is called, by the size of the plant. Times are CPU seconds of this process, peak memory is all
that it has held; with `--write` they become a section of `docs/performance.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest

from benchmarks.page import cpu, peak_gb, put, versions
from graph_schema.documents import MotifState
from graph_schema.motifs import CircuitGraph, catalogue, find, motif_tests
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
SIZES = [(12, 500), (24, 5_000), (60, 20_000)]
"""Layers, as many heads in each, and edges of the circuits that are timed."""
TESTED_TO = 5_000
MOTIFS = list(catalogue().values())


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


def times(draws: int, rows: list[dict[str, object]]) -> None:
    """Searching for each motif of the catalogue, and testing all, by size of the circuit."""
    for width, n_edges in SIZES:
        rng = np.random.default_rng(0)
        graph = random_circuit(rng, n_layers=width, n_heads=width, n_edges=n_edges)
        found = {motif.name: find(graph, motif, "c") for motif in MOTIFS}
        taken = {m.name: cpu(lambda m=m, graph=graph: find(graph, m, "c")) for m in MOTIFS}
        slowest = max(taken, key=taken.__getitem__)
        row: dict[str, object] = {
            "edges": n_edges,
            "nodes": len(graph.nodes),
            "occurrences": sum(each.total for each in found.values()),
            "search": round(sum(taken.values()), 2),
            "slowest": f"{taken[slowest]:.2f} ({slowest}, {found[slowest].total:,})",
        }
        if n_edges <= TESTED_TO:
            tested = cpu(lambda graph=graph: motif_tests({"c": graph}, MOTIFS, draws=draws))
            row |= {"test": round(tested, 1)}
        report(row | {"peak_gb": round(peak_gb(), 2)}, rows)


def power(circuits: int, draws: int, rows: list[dict[str, object]]) -> None:
    """False calls, and plants that are found."""
    rng = np.random.default_rng(0)
    base = random_circuit(rng, n_layers=6, n_heads=8, n_edges=100)
    hits = 0
    for seed, graph in enumerate(null_circuits(base, circuits, rng)):
        results = motif_tests({"c": graph}, MOTIFS, draws=draws, seed=seed).results
        hits += any(each.state is MotifState.CALLED for each in results)
    report({"what": "false calls", **share(hits, circuits)}, rows)

    n = max(10, circuits // 4)
    for what, plant, name, sizes in PLANTS:
        for size in sizes:
            hits = 0
            for seed in range(n):
                graph = plant(random_circuit(rng, n_layers=6, n_heads=8, n_edges=100), size, rng)
                results = motif_tests({"c": graph}, MOTIFS, draws=draws, seed=seed).results
                hits += any(r.state is MotifState.CALLED and r.motif == name for r in results)
            report({"what": f"power, {size} {what}", **share(hits, n)}, rows)


def section(rows: list[dict[str, object]], draws: int) -> str:
    """The times as the page shows them."""
    head = (
        "edges", "nodes", "occurrences of the catalogue", "searching for all, CPU s",
        "slowest motif, CPU s", f"testing all with {draws:,} draws, CPU s", "peak memory, GB",
    )  # fmt: skip
    keys = ("edges", "nodes", "occurrences", "search", "slowest", "test", "peak_gb")
    lines = [
        "## Motifs",
        "",
        f"`python -m benchmarks.motifs --only times --write`: the {len(MOTIFS)} motifs of the "
        f"catalogue in made circuits, one thread; {versions('numpy', 'scipy')}.",
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join('---:' for _ in head)} |",
    ]
    for row in rows:
        cells = [row.get(key, "") for key in keys]
        texts = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
        lines.append(f"| {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=200)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", choices=("times", "power"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    timed: list[dict[str, object]] = []
    judged: list[dict[str, object]] = []
    if options.only != "power":
        times(options.draws, timed)
        if options.write:
            put("motifs", section(timed, options.draws))
    if options.only != "times":
        power(options.circuits, options.draws, judged)
    if options.json:
        print(json.dumps([*timed, *judged], indent=1))


if __name__ == "__main__":
    main()
