"""ACDC by AutoCircuit 1.0.1, run by benchmarks/acdc.py in an environment of its own.

    python run_auto_circuit.py FOLDER

FOLDER has `model/` (a GPT-2 as transformers saves it) and `case.json` (clean, corrupt, threshold,
order). Prints one JSON line: CPU seconds of its ACDC, and the edges that it kept. Its order inside
a layer is that of a Python set, different in every process; it is given ours, so that both decide
the same questions.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import torch
from auto_circuit.data import PromptPairBatch
from auto_circuit.prune_algos.ACDC import acdc_prune_scores
from auto_circuit.utils.graph_utils import patchable_model
from hooked_gpt2 import hooked


def our_name(edge: str) -> str:
    """`A0.1->A1.0.Q` as `a0.h1->a1.h0<q>`."""
    sender, receiver = edge.split("->")
    return f"{_component(sender)}->{_component(receiver)}"


def _component(name: str) -> str:
    if name in ("Resid Start", "Resid End"):
        return {"Resid Start": "input", "Resid End": "logits"}[name]
    if found := re.fullmatch(r"MLP (\d+)", name):
        return f"m{found[1]}"
    found = re.fullmatch(r"A(\d+)\.(\d+)(?:\.([QKV]))?", name)
    assert found, name
    channel = f"<{found[3].lower()}>" if found[3] else ""
    return f"a{found[1]}.h{found[2]}{channel}"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    case = json.loads((folder / "case.json").read_text())
    model = hooked(folder / "model").requires_grad_(False)
    clean, corrupt = (torch.tensor(case[side]) for side in ("clean", "corrupt"))
    with torch.inference_mode():
        last = model(clean)[:, -1]
    patchable = patchable_model(
        model, factorized=True, slice_output="last_seq", separate_qkv=True, device="cpu"
    )
    place = {name: number for number, name in enumerate(case["order"])}
    assert {our_name(edge.name) for edge in patchable.edges} == set(place)
    patchable.edges = sorted(patchable.edges, key=lambda edge: place[our_name(edge.name)])
    batch = PromptPairBatch(0, 0, clean, corrupt, clean[:, :1], corrupt[:, :1])
    # Its thresholds are products a * 10^b.
    mantissa, exponent = f"{case['threshold']:e}".split("e")
    started = time.process_time()
    scores = acdc_prune_scores(
        patchable, [batch], None, tao_exps=[int(exponent)], tao_bases=[float(mantissa)]
    )
    seconds = time.process_time() - started
    kept = [
        our_name(edge.name) for edge in patchable.edges if edge.prune_score(scores) == torch.inf
    ]
    print(json.dumps({"cpu_seconds": seconds, "kept": kept, "logits": last[0, :4].tolist()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
