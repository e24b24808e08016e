"""CPU seconds of an attribution graph of a real model's neurons, and whether it is the same again.

    python -m benchmarks.trace MODEL_FOLDER [--tokens 32] [--nodes 3000] [--write]

One torch thread; every run in a process of its own: whole (run, choice of units, rows, pruning),
with heads as nodes, and with 100 edges tested by intervention. The first is run twice; "repeats to"
is the largest difference of any weight or influence between the two, as a share of the largest.
Exits with 1 where a graph takes 60 CPU seconds or more, or differs by more than 1e-6.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.page import peak_gb, put, versions
from discovery.dictionaries import NeuronBasis
from discovery.models.load import load_model
from discovery.tracing import exact_edges, trace
from discovery.tracing.pruning import keep
from graph_schema.documents import ModelSource, Trace

TEXT = (
    "When Mary and John went to the store, John gave a drink to Mary. The capital of the state "
    "that contains the city of Dallas is called Austin, and the capital of France is called Paris."
)
MOST_SECONDS = 60.0
MOST_DIFFERENCE = 1e-6
CASES = {
    "neurons": {"heads": False, "exact": 0},
    "neurons, again": {"heads": False, "exact": 0},
    "neurons and heads": {"heads": True, "exact": 0},
    "neurons, 100 edges tested": {"heads": False, "exact": 100},
}


def measure(folder: str, case: str, n_tokens: int, nodes: int, file: Path) -> dict[str, Any]:
    """One run in this process; weights and influence go to `file`."""
    torch.set_num_threads(1)
    model = load_model(ModelSource(name=folder), fingerprint=None)
    adapter, asked = model.adapter, CASES[case]
    assert model.tokenizer is not None, "the model's own tokenizer reads the text"
    tokens = model.tokenizer.encode(TEXT)[:n_tokens]
    assert len(tokens) == n_tokens, f"the text has {len(tokens)} tokens"
    method = Trace(heads=bool(asked["heads"]), max_feature_nodes=nodes)
    started = time.process_time()
    bases = [NeuronBasis(adapter, layer) for layer in range(adapter.shape.n_layers)]
    traced = trace(adapter, tokens, bases, method)
    kept = keep(traced, method)
    edges = [
        (traced.names[s], traced.names[t], c) for s, t, c, _ in kept.edges[: int(asked["exact"])]
    ]
    if edges:
        exact_edges(traced, edges)
    seconds = time.process_time() - started
    weights = np.stack([each.numpy() for each in traced.weights.values()])
    np.savez(file, weights=weights, influence=kept.pruned.influence, names=np.array(traced.names))
    return {
        "seconds": seconds,
        "gb": peak_gb(),
        "units": len(traced.chosen),
        "of": traced.n_active,
        "nodes": int(kept.pruned.nodes.sum()),
        "edges": len(kept.edges),
        "replacement": kept.scores.replacement,
        "completeness": kept.scores.completeness,
    }


def difference(first: Path, second: Path) -> float:
    """The largest difference of two runs' numbers, by the largest; infinite of other nodes."""
    one, two = np.load(first), np.load(second)
    if one["names"].tolist() != two["names"].tolist():
        return float("inf")
    found = 0.0
    for name in ("weights", "influence"):
        largest = np.abs(one[name]).max()
        found = max(found, float(np.abs(one[name] - two[name]).max() / largest))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--nodes", type=int, default=3000)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case is not None:
        found = measure(asked.folder, asked.case, asked.tokens, asked.nodes, asked.file)
        print(json.dumps(found))
        return
    lines = [
        "| graph | CPU s | peak GB | nodes, of active units | kept nodes | kept edges | "
        "replacement | completeness |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        files: list[Path] = []
        for number, case in enumerate(CASES):
            files.append(Path(folder) / f"{number}.npz")
            command = [sys.executable, "-m", "benchmarks.trace", *sys.argv[1:]]
            command += ["--case", case, "--file", str(files[-1])]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(ran.stdout.splitlines()[-1])
            slowest = max(slowest, found["seconds"])
            lines.append(
                f"| {case} | {found['seconds']:.1f} | {found['gb']:.1f} | {found['units']:,} of "
                f"{found['of']:,} | {found['nodes']:,} | {found['edges']:,} | "
                f"{found['replacement']:.3f} | {found['completeness']:.3f} |"
            )
        apart = difference(files[0], files[1])
    head = (
        "## Attribution graphs\n\n"
        f"{Path(asked.folder).name}, {asked.tokens} tokens, its neurons, float32, one thread "
        f"(`python -m benchmarks.trace`; {versions()}). The model is loaded before. The same "
        f"prompt again repeats to {apart:.0e}.\n"
    )
    text = "\n".join([head, *lines])
    print(text)
    if asked.write:
        put("trace", text)
    if slowest >= MOST_SECONDS or apart > MOST_DIFFERENCE:
        sys.exit(f"the slowest took {slowest:.1f} CPU s and two runs differ by {apart:.1e}")


if __name__ == "__main__":
    main()
