"""CPU seconds of what feature circuits ask for: node scores, two-leg edges, a restart's planning.

    python -m benchmarks.features [--repeat 3] [--write]

Each row is measured in a process of its own, on one torch thread, medians of `--repeat`.
GPT-2-small's shape, random weights: scores of 98,304 features (eight SAEs of 12,288 units on MLP
outputs) and of all 36,864 neurons, on 512 tokens, beside the model's own passes and the
products of encoders and directions alone; two-leg edges of 100 neurons into 100 on 512 tokens; and
planning the test of an edge in a graph of 5,000 senders and 15,000 receivers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.apart import measured_or_none
from benchmarks.page import cpu, put, versions
from benchmarks.shapes import load, random_pairs
from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.neurons import NeuronBasis
from discovery.dictionaries.protocol import Dictionary
from discovery.engine.experiment import Experiment
from discovery.engine.graph import Graph
from discovery.engine.kept import Kept
from discovery.engine.schedule import after
from discovery.engine.site import Split
from discovery.engine.splice import Splice
from discovery.methods.node_scores import unit_scores
from discovery.methods.two_leg import Legs, two_leg
from discovery.models import ModelAdapter
from graph_schema.documents import AblationSpec, Metric
from graph_schema.documents.dictionary import (
    Activation,
    DictionaryDocument,
    DictionaryKind,
    Place,
    Reading,
    Site,
)

LAYERS, WIDTH = (1, 2, 4, 5, 7, 8, 10, 11), 12288
N_LEGS = 100


def saes(adapter: ModelAdapter) -> list[Dictionary]:
    """Random SAEs whose units are open at about half of the positions."""
    generator = torch.Generator().manual_seed(0)
    d_model, found = adapter.shape.d_model, list[Dictionary]()
    for layer in LAYERS:
        rows = torch.randn(WIDTH, d_model, generator=generator) / d_model**0.5
        site = Site(reads=Place.MLP_OUT, writes=Place.MLP_OUT, layer=layer)
        document = DictionaryDocument(
            kind=DictionaryKind.SAE,
            site=site,
            width=WIDTH,
            reading=Reading(activation=Activation.RELU),
            sha256=f"{layer:064x}",
        )
        found.append(LinearDictionary(document, rows, {layer: rows}, torch.zeros(d_model)))
    return found


def neurons(adapter: ModelAdapter) -> list[Dictionary]:
    return [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]


def node_scores(repeat: int, made: Callable[[ModelAdapter], list[Dictionary]]) -> dict[str, float]:
    """Whole, and what it takes beside the same run without dictionaries; and the bare products."""
    adapter = load("gpt2-small")
    pairs = random_pairs(adapter.shape.d_vocab)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    dictionaries = made(adapter)
    tokens = sum(len(pair.clean) for pair in pairs)

    def bare() -> None:
        """Encoded twice, clean and corrupt, and met by gradients once."""
        for each in dictionaries:
            rows = each.directions()
            x = torch.ones(tokens, rows.shape[1])
            for _ in range(3):
                torch.mm(x, rows.T)

    unit_scores(experiment, dictionaries[:1], pairs)  # warm-up
    whole, without, products = list[float](), list[float](), list[float]()
    for _ in range(repeat):
        products.append(cpu(bare))
        without.append(cpu(lambda: unit_scores(experiment, [], pairs)))
        whole.append(cpu(lambda: unit_scores(experiment, dictionaries, pairs)))
    beside = [w - m for w, m in zip(whole, without, strict=True)]
    return {
        "cpu_seconds": statistics.median(beside),
        "bare_seconds": statistics.median(products),
        "with_the_model": statistics.median(whole),
    }


def two_legs(repeat: int) -> dict[str, float]:
    """Of `N_LEGS` neurons of one layer into as many of a later one, the clean run made before."""
    adapter = load("gpt2-small")
    pairs = random_pairs(adapter.shape.d_vocab)
    units = tuple(range(0, 3 * N_LEGS, 3))
    splices = [Splice(NeuronBasis(adapter, layer), units) for layer in (3, 8)]
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs, splices=splices)
    graph, only = experiment.graph, experiment.graph.none()
    senders, receivers = graph.mlp_senders(3), graph.mlp_receivers(8)
    only[senders.start : senders.start + N_LEGS, receivers.start : receivers.start + N_LEGS] = True
    legs = Legs(experiment.bench(experiment.chunks(pairs, len(pairs))[0]))

    def edges() -> None:
        for _ in legs.scores(only):
            pass

    edges()  # warm-up
    seconds = [cpu(edges) for _ in range(repeat)]
    whole = [cpu(lambda: two_leg(experiment, pairs, only=only)) for _ in range(repeat)]
    return {
        "cpu_seconds": statistics.median(seconds),
        "with_the_model": statistics.median(whole),
    }


def planning(repeat: int) -> dict[str, float]:
    """Of the test of one edge: 12 layers, all heads split into features.

    Every edge kept; or half of them, drawn, so that no two parts read the same.
    """
    splits = [
        Split(f"a{layer}.h{head}", tuple(range(33)), "f")
        for layer in range(12)
        for head in range(12)
    ]
    graph = Graph(12, 12, splits=tuple(splits))
    rng = np.random.default_rng(0)
    drawn = (rng.random(graph.upstream.shape) < 0.5) & graph.upstream
    receivers = rng.choice(graph.n_receivers - 1, 20, replace=False).tolist()
    found = {"senders": float(graph.n_senders), "receivers": float(graph.n_receivers)}
    for name, matrix in (("cpu_seconds", graph.upstream), ("drawn_seconds", drawn)):
        kept, seconds = Kept(graph, matrix), list[float]()
        assert kept.live.any()
        assert kept.spread.any()
        for _ in range(repeat):
            started = time.process_time()
            for receiver in receivers:
                after(kept, [receiver])
            seconds.append((time.process_time() - started) / len(receivers))
        found[name] = statistics.median(seconds)
    return found


ROWS: dict[str, Callable[[int], dict[str, float]]] = {
    "node scores, 98,304 features": lambda repeat: node_scores(repeat, saes),
    "node scores, 36,864 neurons": lambda repeat: node_scores(repeat, neurons),
    f"two-leg, {N_LEGS} x {N_LEGS} neurons": two_legs,
    "planning an edge's test": planning,
}


def table(rows: dict[str, dict[str, float]]) -> str:
    lines = [
        "| work | CPU s | bare products, CPU s | with the model's passes, CPU s |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        cells = [row.get(key) for key in ("cpu_seconds", "bare_seconds", "with_the_model")]
        shown = ["" if cell is None else f"{cell:.3g}" for cell in cells]
        if "senders" in row:
            name = f"{name}, {row['senders']:,.0f} x {row['receivers']:,.0f}, all kept"
        lines.append(f"| {name} | {' | '.join(shown)} |")
        if "drawn_seconds" in row:
            lines.append(f"| the same, half of the edges kept | {row['drawn_seconds']:.3g} | | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="default: all")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        torch.set_num_threads(1)
        print(json.dumps(ROWS[args.row[0]](args.repeat)))
        return
    rows: dict[str, dict[str, Any]] = {}
    for name in args.row or ROWS:
        options = ["--row", name, "--repeat", args.repeat]
        if found := measured_or_none("benchmarks.features", "--here", *options):
            rows[name] = found
    print(table(rows))
    if args.write:
        text = (
            "## Feature circuits\n\n`python -m benchmarks.features`: GPT-2-small's shape, random "
            "weights, 32 pairs x 16 tokens (512), float32, one thread, medians of "
            f"{args.repeat}; {versions()}.\n\n{table(rows)}\n\nThe bare products are encoders on "
            "clean and corrupt inputs and directions on gradients. Planning says which components "
            "an edge's test runs again."
        )
        put("features", text)


if __name__ == "__main__":
    main()
