"""CPU seconds and peak memory of attribution, beside the bare matrix products of the same work.

    python -m benchmarks.attribution [--case gpt2-small] [--shared 0] [--repeat 3] [--write]

Each row is measured in a process of its own, on one torch thread: the bare products and the
method in turn, `--repeat` times, medians reported. With `--shared N` the prompts of a pair are
alike in their first N tokens; the bare products are of all tokens all the same. GPT-2-small shape
has random weights and needs no download; SmolLM2-135M and Gemma-3-270M are measured where their
weights are to be had (tests/real_models.py).
`--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import torch

from benchmarks.apart import measured_or_none
from benchmarks.page import cpu, peak_gb, put, versions
from benchmarks.shapes import N_PAIRS, N_TOKENS, REAL, load, random_pairs
from discovery.engine.experiment import Experiment
from discovery.engine.graph import Graph
from discovery.methods.eap import eap
from discovery.methods.integrated_gradients import eap_ig
from discovery.models import LlamaAdapter, ModelAdapter
from graph_schema.documents import AblationSpec, EapIg, Metric

CHUNK, STEPS = 8, 5
"""Examples a chunk of the bare products; the methods take what fits."""
CASES = ("gpt2-small", *REAL)
METHODS = ("eap", f"eap-ig, {STEPS} steps")


@dataclass(frozen=True)
class Product:
    """`count` products [rows, inner] x [inner, columns]."""

    rows: int
    inner: int
    columns: int
    count: float = 1


def products(adapter: ModelAdapter, graph: Graph, steps: int | None) -> list[Product]:
    """The products that no implementation can do without.

    A pass is every weight matrix on every token; `eap` makes three (corrupt, clean, backward),
    `eap-ig` two and then two a step. Every sender's difference meets every receiver's gradient
    once, a chunk at a time. Attention's own products and the unembedding are left out: they are
    small here.
    """
    sizes, tokens = adapter.shape, N_PAIRS * N_TOKENS
    passes = 3 if steps is None else 2 + 2 * steps
    d_kv = sizes.n_kv_heads * sizes.d_head
    gated = 3 if isinstance(adapter, LlamaAdapter) else 2
    widths = [(sizes.n_heads * sizes.d_head, 2), (d_kv, 2), (sizes.d_mlp, gated)]
    found = [
        Product(tokens, sizes.d_model, width, passes * count * sizes.n_layers)
        for width, count in widths
    ]
    n_chunks = N_PAIRS // CHUNK
    row = tokens * sizes.d_model // n_chunks
    for layer in range(graph.n_layers):
        found.append(Product(graph.before(layer), row, 3 * graph.n_heads, n_chunks))
        found.append(Product(graph.before_mlp(layer), row, 1, n_chunks))
    return found


def repeat(count: float, left: torch.Tensor, right: torch.Tensor) -> None:
    for _ in range(round(count)):
        torch.mm(left, right)


def run_products(wanted: list[Product]) -> float:
    """CPU seconds of the products alone; their operands are made before the clock starts."""
    seconds = 0.0
    for each in wanted:
        left, right = torch.ones(each.rows, each.inner), torch.ones(each.inner, each.columns)
        seconds += cpu(partial(repeat, each.count, left, right))
    return seconds


def measure(case: str, method: str, shared: int, repeat: int) -> dict[str, Any]:
    """One row, in this process: medians, and the process's peak memory."""
    torch.set_num_threads(1)
    adapter = load(case)
    pairs = random_pairs(adapter.shape.d_vocab, shared)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    steps = None if method == "eap" else STEPS
    wanted = products(adapter, experiment.graph, steps)

    def score() -> None:
        if steps is None:
            eap(experiment, pairs)
        else:
            eap_ig(experiment, pairs, EapIg(steps=steps))

    eap(experiment, pairs[:CHUNK])  # warm-up
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(repeat):
        bare.append(run_products(wanted))
        whole.append(cpu(score))
    return {
        "case": case,
        "method": method,
        "shared": shared,
        "edges": experiment.graph.n_edges,
        "cpu_seconds": statistics.median(whole),
        "bare_seconds": statistics.median(bare),
        "ratio": statistics.median(w / b for w, b in zip(whole, bare, strict=True)),
        "peak_gb": peak_gb(),
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| model | edges | method | tokens alike | CPU s | bare products, CPU s | ratio | "
        "peak memory, GB |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['case']} | {row['edges']:,} | {row['method']} | {row['shared']} | "
        f"{row['cpu_seconds']:.1f} | "
        f"{row['bare_seconds']:.1f} | {row['ratio']:.2f} | {row['peak_gb']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def section(text: str, repeat: int) -> str:
    return (
        f"## Attribution\n\n`python -m benchmarks.attribution`: {N_PAIRS} pairs x {N_TOKENS} "
        f"tokens, float32, one thread, medians of {repeat} runs, of ratios too; {versions()}."
        f"\n\n{text}\n\nThe bare matrix products are those no implementation can do "
        "without: every weight matrix on every token "
        "for each pass, and every sender's difference with every receiver's gradient, of all "
        "positions, whether the prompts of a pair are alike there (as in IOI, where 10 of 15 "
        "are) or not."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=__doc__)
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--method", choices=METHODS, action="append", help="default: both")
    parser.add_argument(
        "--shared", type=int, action="append", metavar="N", help="tokens alike; default: 0 and 10"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    cases, methods, each = args.case or CASES, args.method or METHODS, args.shared or [0, 10]
    if args.row:
        print(json.dumps(measure(cases[0], methods[0], each[0], args.repeat)))
        return
    rows: list[dict[str, Any]] = []
    for case, shared, method in product(cases, each, methods):
        options = ["--case", case, "--method", method, "--shared", shared, "--repeat", args.repeat]
        if found := measured_or_none("benchmarks.attribution", "--row", *options):
            rows.append(found)
    print(table(rows))
    if args.write:
        put("attribution", section(table(rows), args.repeat))


if __name__ == "__main__":
    main()
