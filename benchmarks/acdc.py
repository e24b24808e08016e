"""CPU seconds of a complete exact ACDC run, beside the bare matrix products and a peer.

    python -m benchmarks.acdc [--case 479-edges] [--threshold 1e-3] [--repeat 3] [--write]
    python -m benchmarks.acdc --case 479-edges --peer VENV

Random weights, 32 pairs x 16 tokens, metric `kl` unless `--metric` says otherwise, one torch
thread, every case in a process of its own. "Bare" are the matrix products of one forward pass over
all pairs, the unembedding at the last position included, so the ratio reads as forward passes: ACDC
decides every edge of the graph. `--peer` runs AutoCircuit on the same model, pairs and order of
edges in the environment VENV, which is made from peers/requirements-auto-circuit.txt if it is not
there, and compares what both keep; one run of each in turn, `--repeat` times. `--write` replaces
the whole table, so it goes with the default cases.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.apart import last_line, measured
from benchmarks.page import peak_gb, put, versions
from benchmarks.shapes import N_PAIRS, N_TOKENS, SHAPES, random_gpt2, random_pairs
from discovery.engine.experiment import Experiment
from discovery.methods.acdc import Pruner
from discovery.methods.acdc_order import visits
from discovery.models import GPT2Adapter
from discovery.tasks.base import TokenPair
from graph_schema.documents import AblationSpec, Metric

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "peers" / "requirements-auto-circuit.txt"


def bare_forward(case: str) -> float:
    """CPU seconds of one forward pass's matrix products."""
    sizes = SHAPES[case]
    d_model, rows = sizes["n_embd"], N_PAIRS * N_TOKENS
    weights = [(d_model, 3 * d_model), (d_model, d_model), (d_model, 4 * d_model)]
    weights.append((4 * d_model, d_model))
    wanted = [(rows, *weight) for weight in weights] * sizes["n_layer"]
    wanted.append((N_PAIRS, d_model, sizes["vocab_size"]))
    operands = [(torch.ones(n, k), torch.ones(k, m)) for n, k, m in wanted]
    started = time.process_time()
    for left, right in operands:
        torch.mm(left, right)
    return time.process_time() - started


def measure(
    case: str, threshold: float, metric: Metric, shared: int, repeat: int, peer: Path | None
) -> dict[str, Any]:
    """One row, in this process: medians, and the process's peak memory."""
    torch.set_num_threads(1)
    model = random_gpt2(case)
    adapter, pairs = GPT2Adapter(model), random_pairs(SHAPES[case]["vocab_size"], shared)
    bare_forward(case)  # warm-up
    seconds: list[float] = []
    bare: list[float] = []
    theirs: list[dict[str, Any]] = []
    row: dict[str, Any] = {"case": case, "threshold": threshold}
    row |= {"metric": metric.value, "shared": shared, "runs": repeat}
    for _ in range(repeat):
        bare.append(bare_forward(case))
        started = time.process_time()
        experiment = Experiment(adapter, metric, AblationSpec(), pairs)
        found = Pruner(experiment, pairs).run(threshold)
        seconds.append(time.process_time() - started)
        graph = experiment.graph
        row |= {"edges": graph.n_edges, "tests": found.n_tests, "kept": found.n_edges}
        row["borderline"] = int(found.borderline.sum())
        if peer is not None:
            theirs.append(run_peer(peer, model, pairs, threshold, graph))
            assert set(theirs[-1]["kept"]) == set(graph.names(found.kept)), "kept edges differ"
    row["cpu_seconds"], row["bare_seconds"] = statistics.median(seconds), statistics.median(bare)
    if peer is not None:
        each = [their["cpu_seconds"] for their in theirs]
        row["peer_seconds"] = statistics.median(each)
        row["peer_ratio"] = statistics.median(a / b for a, b in zip(each, seconds, strict=True))
    row["peak_gb"] = peak_gb()
    return row


def run_peer(
    environment: Path,
    model: transformers.GPT2LMHeadModel,
    pairs: tuple[TokenPair, ...],
    threshold: float,
    graph: Any,
) -> dict[str, Any]:
    """AutoCircuit's run on the same question."""
    order = [
        graph.edge(sender, visit.receiver).name
        for visit in visits(graph, graph.upstream)
        for sender in visit.senders
    ]
    case = {
        "clean": [pair.clean for pair in pairs],
        "corrupt": [pair.corrupt for pair in pairs],
        "threshold": threshold,
        "order": order,
    }
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model")
        (Path(folder) / "case.json").write_text(json.dumps(case))
        script = HERE / "peers" / "run_auto_circuit.py"
        return last_line(environment / "bin" / "python", script, folder)


def make_environment(folder: Path) -> None:
    """The peer's own environment, from its locked requirements."""
    if (folder / "bin" / "python").exists():
        return
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q"]
    subprocess.run([*pip, f"torch=={torch.__version__.split('+')[0]}"], check=True)
    # Two of its requirements (tracr's jax, plots' browser) are not needed for this, and heavy.
    subprocess.run([*pip, "--no-deps", "-r", REQUIREMENTS], check=True)


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| model | edges | metric | tokens alike | τ | kept | tests run | runs | CPU s | "
        "bare forward, CPU s | forwards | AutoCircuit, CPU s | times faster | peak memory, GB |",
        "| --- | ---: | --- " + "| ---: " * 11 + "|",
    ]
    for row in rows:
        peer = ("-", "-")
        if "peer_seconds" in row:
            peer = (f"{row['peer_seconds']:.1f}", f"{row['peer_ratio']:.0f}")
        lines.append(
            f"| {row['case']} | {row['edges']:,} | {row['metric']} | {row['shared']} | "
            f"{row['threshold']:g} | {row['kept']:,} | {row['tests']:,} | {row['runs']} | "
            f"{row['cpu_seconds']:.2f} | {row['bare_seconds']:.3f} | "
            f"{row['cpu_seconds'] / row['bare_seconds']:.0f} | {peer[0]} | {peer[1]} | "
            f"{row['peak_gb']:.1f} |"
        )
    return "\n".join(lines)


def section(text: str) -> str:
    return (
        f"## ACDC\n\n`python -m benchmarks.acdc`: complete exact runs, {N_PAIRS} pairs x "
        f"{N_TOKENS} tokens, the first of them alike in both prompts of a pair where the table "
        f"says so, random weights, float32, one thread, medians; {versions()}. "
        "Where AutoCircuit 1.0.1 was run, it was given our order of edges, and it kept the same "
        f"edges.\n\n{text}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--case", choices=SHAPES, action="append")
    parser.add_argument("--threshold", type=float, action="append")
    metrics = [metric.value for metric in (Metric.KL, Metric.LOGIT_DIFF)]
    parser.add_argument("--metric", choices=metrics, default=Metric.KL.value)
    parser.add_argument(
        "--shared", type=int, default=0, metavar="N", help="first tokens alike in both prompts"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer", type=Path, metavar="VENV", help="run AutoCircuit on 479-edges")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    cases, thresholds = asked.case or list(SHAPES), asked.threshold or [1e-3]
    if asked.row:
        options = (Metric(asked.metric), asked.shared, asked.repeat, asked.peer)
        print(json.dumps(measure(cases[0], thresholds[0], *options)))
        return
    if asked.peer:
        make_environment(asked.peer)
    rows: list[dict[str, Any]] = []
    for case in cases:
        for threshold in thresholds:
            options = ["--row", "--case", case, "--threshold", f"{threshold:g}"]
            options += ["--repeat", str(asked.repeat), "--shared", str(asked.shared)]
            options += ["--metric", asked.metric]
            if asked.peer and case == "479-edges":
                options += ["--peer", str(asked.peer)]
            rows.append(measured("benchmarks.acdc", *options))
    print(table(rows))
    if asked.write:
        put("acdc", section(table(rows)))


if __name__ == "__main__":
    main()
