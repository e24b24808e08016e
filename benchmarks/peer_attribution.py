"""CPU seconds of `eap` here and in circuitkit, on the same model and pairs in the same run.

    python -m benchmarks.peer_attribution VENV [--repeat 3] [--write]

VENV is circuitkit's environment, made from peers/requirements-circuitkit.txt if it is not there.
GPT-2 shapes with random weights, 32 pairs x 16 tokens (circuitkit: in chunks of 8), `logit_diff`,
float32, one thread, every run in a process of its own. The scores of both are compared edge by
edge.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.apart import last_line
from benchmarks.page import cpu, peak_gb, put, versions
from benchmarks.shapes import N_PAIRS, N_TOKENS, SHAPES, random_gpt2, random_pairs
from discovery.engine.experiment import Experiment
from discovery.methods.eap import eap
from discovery.models import GPT2Adapter
from graph_schema.documents import AblationSpec, Metric

CHUNK = 8
PEERS = Path(__file__).parent / "peers"
REQUIREMENTS = PEERS / "requirements-circuitkit.txt"


def save_case(case: str, folder: Path) -> None:
    """What circuitkit is to do, as its script reads it."""
    model = random_gpt2(case)
    model.save_pretrained(folder / "model")
    pairs = random_pairs(model.config.vocab_size)
    told = {
        "clean": [pair.clean for pair in pairs],
        "corrupt": [pair.corrupt for pair in pairs],
        "answers": [pair.answers[0][0] for pair in pairs],
        "wrong_answers": [pair.wrong_answers[0][0] for pair in pairs],
        "chunk": CHUNK,
    }
    (folder / "case.json").write_text(json.dumps(told))


def ours(case: str, folder: Path) -> dict[str, Any]:
    """Our run, in this process; the largest difference from circuitkit's scores in `folder`."""
    torch.set_num_threads(1)
    adapter = GPT2Adapter(random_gpt2(case))
    pairs = random_pairs(adapter.shape.d_vocab)
    experiment = Experiment(adapter, Metric.LOGIT_DIFF, AblationSpec(), pairs)
    found: list[Any] = []
    seconds = cpu(lambda: found.append(eap(experiment, pairs)))
    graph = experiment.graph
    names = json.loads((folder / "names.json").read_text())
    rows = {name: number for number, name in enumerate(names["senders"])}
    columns = {name: number for number, name in enumerate(names["receivers"])}
    theirs = np.load(folder / "scores.npy")
    ends = [name.split("->") for name in graph.names()]
    peer = np.array([theirs[rows[sender], columns[receiver]] for sender, receiver in ends])
    own = found[0]
    return {
        "edges": len(own),
        "cpu_seconds": seconds,
        "peak_gb": peak_gb(),
        "largest_difference": float(np.abs(own - peer).max() / np.abs(own).max()),
    }


def make_environment(folder: Path) -> None:
    """circuitkit's own environment, from its locked requirements."""
    if (folder / "bin" / "python").exists():
        return
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "-r", REQUIREMENTS], check=True)


def compare(case: str, environment: Path, repeat: int) -> dict[str, Any]:
    """One row: medians over `repeat` runs of each in turn."""
    runs: list[tuple[dict[str, Any], dict[str, Any]]] = []
    with tempfile.TemporaryDirectory() as folder:
        save_case(case, Path(folder))
        for _ in range(repeat):
            python = environment / "bin" / "python"
            peer = last_line(python, PEERS / "run_circuitkit.py", folder)
            row = [sys.executable, "-m", "benchmarks.peer_attribution", str(environment)]
            runs.append((last_line(*row, "--row", case, folder), peer))
    return {
        **runs[0][0],
        "case": case,
        "cpu_seconds": statistics.median(own["cpu_seconds"] for own, _ in runs),
        "peer_seconds": statistics.median(peer["cpu_seconds"] for _, peer in runs),
        "peer_gb": runs[0][1]["peak_gb"],
        "ratio": statistics.median(p["cpu_seconds"] / o["cpu_seconds"] for o, p in runs),
    }


def section(rows: list[dict[str, Any]], repeat: int) -> str:
    lines = [
        f"## Attribution beside circuitkit\n\n`python -m benchmarks.peer_attribution`: `eap`, "
        f"{N_PAIRS} pairs x {N_TOKENS} tokens (circuitkit: in chunks of {CHUNK}), random weights, "
        f"float32, one thread, medians of {repeat}, of ratios too; circuitkit 0.2.0 on "
        f"transformer-lens 3.8.0; {versions()}.\n",
        "| model | edges | CPU s | circuitkit, CPU s | times faster | peak memory, GB | "
        "circuitkit, GB | largest difference of scores |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['case']} | {row['edges']:,} | {row['cpu_seconds']:.1f} | "
        f"{row['peer_seconds']:.1f} | {row['ratio']:.1f} | {row['peak_gb']:.1f} | "
        f"{row['peer_gb']:.1f} | {row['largest_difference']:.0e} of the largest |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("environment", type=Path, metavar="VENV")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", choices=SHAPES, action="append", help="default: gpt2-small")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--row", nargs=2, metavar=("CASE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row:
        print(json.dumps(ours(asked.row[0], Path(asked.row[1]))))
        return
    make_environment(asked.environment)
    cases = asked.case or ["gpt2-small"]
    rows = [compare(case, asked.environment, asked.repeat) for case in cases]
    text = section(rows, asked.repeat)
    print(text)
    if asked.write:
        put("peer-attribution", text)


if __name__ == "__main__":
    main()
