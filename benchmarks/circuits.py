"""CPU seconds of exact edge tests and of ten points of a curve, beside the bare forward pass.

    python -m benchmarks.circuits [--case gpt2-small] [--shared 0] [--repeat 3] [--write]

An edge test asks what the loss is without one edge: of the whole model, and of a random circuit of
200 edges, 40 edges each; and of the whole model four edges of a receiver side by side. The curve is
the faithfulness of a random ranking at the ten shares of CMD and CPR, all in one run, and the same
ten circuits in a run each. "Bare" are the matrix products of one forward pass over the pairs. With
`--shared N` the prompts of a pair are alike in their first N tokens, as in most tasks (IOI: 10 of
15): nothing is computed there. One torch thread; every case in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.apart import measured_or_none
from benchmarks.page import cpu, peak_gb, put, versions
from benchmarks.shapes import N_PAIRS, N_TOKENS, REAL, load, random_pairs
from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.pair_values import values
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.evaluation.curve import SHARES
from discovery.evaluation.random_circuits import PathSampler
from discovery.methods.selection import top
from discovery.models import LlamaAdapter, ModelAdapter
from graph_schema.documents import AblationSpec, Metric

CASES = ("gpt2-small", *REAL)
TESTED, TOGETHER, SMALL, TEST_PAIRS = 40, 4, 200, 8


def bare_forward(adapter: ModelAdapter, n_pairs: int) -> float:
    """CPU seconds of one forward pass's matrix products, the unembedding at one position."""
    sizes, rows = adapter.shape, n_pairs * N_TOKENS
    width = sizes.n_heads * sizes.d_head
    d_kv = sizes.n_kv_heads * sizes.d_head
    gated = 3 if isinstance(adapter, LlamaAdapter) else 2
    shapes = [(width, 2), (d_kv, 2), (sizes.d_mlp, gated)]
    wanted = [(rows, columns, count * sizes.n_layers) for columns, count in shapes]
    seconds = 0.0
    for n_rows, columns, count in (*wanted, (n_pairs, sizes.d_vocab, 1)):
        left, right = torch.ones(n_rows, sizes.d_model), torch.ones(sizes.d_model, columns)
        torch.mm(left, right)
        seconds += cpu(lambda n=count, a=left, b=right: [torch.mm(a, b) for _ in range(n)])
    return seconds


def measure(case: str, shared: int, repeat: int) -> dict[str, Any]:
    """One row, in this process: medians, and the process's peak memory."""
    torch.set_num_threads(1)
    adapter = load(case)
    pairs = random_pairs(adapter.shape.d_vocab, shared)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    graph, rng = experiment.graph, np.random.default_rng(0)
    small = PathSampler(graph, "paths").circuit(SMALL, rng)
    scores = rng.normal(size=graph.n_edges).astype(np.float32)
    curve = [top(graph, scores, int(share * graph.n_edges), "abs") for share in SHARES]

    def tests_together() -> float:
        """CPU seconds of one test of the whole model, those of a receiver side by side."""
        examples = experiment.chunks(pairs[:TEST_PAIRS], TEST_PAIRS)[0]
        state = State(experiment.bench(examples), graph.upstream, restartable=True)
        senders, receivers = graph.edges
        chosen = rng.choice(np.flatnonzero(senders >= TOGETHER), TESTED // TOGETHER, replace=False)
        edges = [(int(senders[i]), int(receivers[i])) for i in chosen]

        def test() -> None:
            for sender, receiver in edges:
                with Restart(state, receiver) as restart:
                    restart.ahead(range(sender - TOGETHER, sender), gone=False)

        return cpu(test) / (len(edges) * TOGETHER)

    def tests(kept: BoolMatrix) -> float:
        """CPU seconds of one test, the circuit's own run not counted."""
        chosen = rng.choice(int(kept.sum()), TESTED, replace=False)
        edges = np.argwhere(kept)[chosen].tolist()
        examples = experiment.chunks(pairs[:TEST_PAIRS], TEST_PAIRS)[0]
        state = State(experiment.bench(examples), kept, restartable=True)

        def test() -> None:
            for sender, receiver in edges:
                with Restart(state, receiver) as restart:
                    restart.without(sender)

        return cpu(test) / TESTED

    def each() -> None:
        for kept in curve:
            values(experiment, pairs, [kept])

    measured = {
        "bare_8": lambda: bare_forward(adapter, TEST_PAIRS),
        "bare_32": lambda: bare_forward(adapter, N_PAIRS),
        "every": lambda: tests(graph.upstream),
        "together": tests_together,
        "small": lambda: tests(small),
        "curve": lambda: cpu(partial(values, experiment, pairs, curve)),
        "each": lambda: cpu(each),
    }
    values(experiment, pairs[:TEST_PAIRS], [small])  # warm-up
    rows = [{name: work() for name, work in measured.items()} for _ in range(repeat)]
    found: dict[str, Any] = {
        name: statistics.median(row[name] for row in rows) for name in measured
    }
    return {"case": case, "shared": shared, "edges": graph.n_edges, "peak": peak_gb(), **found}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| model | edges | tokens alike | edge test, all kept | of 4 side by side | edge test, 200 "
        "kept | forward, 8 pairs | "
        "ten points | ten runs of one | forward, 32 pairs | peak memory, GB |",
        "| --- " + "| ---: " * 10 + "|",
    ]
    lines += [
        f"| {row['case']} | {row['edges']:,} | {row['shared']} | {row['every']:.3f} | "
        f"{row['together']:.3f} | "
        f"{row['small']:.3f} | {row['bare_8']:.3f} | {row['curve']:.1f} | {row['each']:.1f} | "
        f"{row['bare_32']:.2f} | {row['peak']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def section(text: str, repeat: int) -> str:
    return (
        f"## Edge tests and evaluation\n\n`python -m benchmarks.circuits`: CPU seconds, {N_TOKENS} "
        f"tokens, {TEST_PAIRS} pairs a test and {N_PAIRS} a curve, `logit_diff`, float32, one "
        f"thread, medians of {repeat} run{'s' * (repeat > 1)}; {versions()}. An edge test is the "
        f"mean of {TESTED} random edges, one a restart, or {TOGETHER} senders of a receiver side "
        f'by side; "forward" are the bare matrix products of one forward '
        'pass. "Tokens alike": the first of a pair\'s two prompts, where nothing is computed.\n\n'
        f"{text}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.circuits", description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--shared", type=int, action="append", metavar="N", help="default: 0, 10")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    cases, each = asked.case or CASES, asked.shared or [0, 10]
    if asked.row:
        print(json.dumps(measure(cases[0], each[0], asked.repeat)))
        return
    rows: list[dict[str, Any]] = []
    for case in cases:
        for shared in each:
            options = ["--case", case, "--shared", shared, "--repeat", asked.repeat]
            if found := measured_or_none("benchmarks.circuits", "--row", *options):
                rows.append(found)
    print(table(rows))
    if asked.write:
        put("circuits", section(table(rows), asked.repeat))


if __name__ == "__main__":
    main()
