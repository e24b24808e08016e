"""How often a search for recurring patterns is wrong, and how often it finds a plant.

    python -m benchmarks.recurring [--sets N] [--draws N]

A set is four models of 6 layers with 8 heads, a made circuit of 120 edges each. `none`: five pairs
of previous-token and induction heads whose roles are then dealt at random; `one`: the first model
keeps its pairs where they are, joined through K. In both, whatever is called is false: a pattern
recurs in two models at least. `three`: three models keep theirs; found is a set in which the pair
is called. Seeds are the numbers of the sets.
"""

from __future__ import annotations

import argparse
import json
from time import process_time

import numpy as np
from scipy.stats import binomtest

from graph_schema.motifs import CircuitGraph
from graph_schema.motifs.discovery import ModelCircuits, discover
from graph_schema.motifs.relabelling import relabelled
from tests.graph_schema.motifs.simulated import graph_in, plant_induction, random_circuit

PAIR = "previous_token -k-> induction"


def made(rng: np.random.Generator, pairs: int, *, keep: bool) -> CircuitGraph:
    base = random_circuit(rng, n_layers=6, n_heads=8, n_edges=120)
    graph = plant_induction(base, pairs, rng)
    if keep:
        return graph
    part = list(relabelled(graph, 1, rng).parts)[-1]
    return graph_in(part, part.n_draws - 1)


def called(seed: int, pairs: int, planted: int, draws: int) -> list[str]:
    rng = np.random.default_rng([seed, 7])
    graphs = [made(rng, pairs, keep=place < planted) for place in range(4)]
    models = [
        ModelCircuits(f"{place:040x}", f"m{place}", "made", {"c": graph})
        for place, graph in enumerate(graphs)
    ]
    found = discover(models, task="made", draws=draws, seed=seed)
    return [each.pattern for each in found.called]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--draws", type=int, default=300)
    asked = parser.parse_args()
    cases = [("none", 0, 5), ("one", 1, 5), ("three", 3, 2), ("three", 3, 3), ("three", 3, 5)]
    for name, planted, pairs in cases:
        start = process_time()
        found = [called(seed, pairs, planted, asked.draws) for seed in range(asked.sets)]
        hits = sum(PAIR in each if planted > 1 else bool(each) for each in found)
        low, high = binomtest(hits, asked.sets).proportion_ci()
        row = {"planted": name, "pairs": pairs, "called": hits, "of": asked.sets}
        row |= {
            "low": round(low, 3),
            "high": round(high, 3),
            "cpu_s": round(process_time() - start, 1),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
