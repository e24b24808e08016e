"""EAP by circuitkit 0.2.0 on TransformerLens, run by benchmarks/peer_attribution.py.

    python run_circuitkit.py FOLDER

FOLDER has `model/` (a GPT-2 as transformers saves it) and `case.json` (clean, corrupt, answers,
wrong_answers, chunk). Writes `scores.npy` there, [sender, receiver] in circuitkit's order of nodes
with the names in `names.json`, and prints one JSON line: CPU seconds and peak memory. Its own
tokeniser step is replaced, since the prompts are token ids; nothing else is touched.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from circuitkit.backends.eap import attribute  # before transformer_lens, which it patches
from circuitkit.backends.eap.graph import Graph

from hooked_gpt2 import hooked  # isort: skip


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    case = json.loads((folder / "case.json").read_text())
    model = hooked(folder / "model")
    graph = Graph.from_model(model)
    columns = {name: torch.tensor(case[name]) for name in ("clean", "corrupt")}
    answers, wrong = torch.tensor(case["answers"]), torch.tensor(case["wrong_answers"])
    n_pairs, n_tokens = columns["clean"].shape

    def tokens(model, clean, corrupted, **options):
        mask = torch.ones_like(clean)
        lengths = torch.full((len(clean),), n_tokens)
        return clean, corrupted, mask, mask, lengths, n_tokens

    def loss(logits, clean_logits, lengths, label):
        last = logits[:, -1]
        rows = torch.arange(len(last))
        return -(last[rows, answers[label]] - last[rows, wrong[label]]).sum()

    attribute.tokenize_batch_pair = tokens
    chunks = [
        (columns["clean"][rows], columns["corrupt"][rows], rows)
        for rows in torch.arange(n_pairs).split(case["chunk"])
    ]
    started = time.process_time()
    scores = attribute.get_scores_eap(model, graph, chunks, loss, quiet=True)
    seconds = time.process_time() - started
    np.save(folder / "scores.npy", scores.detach().numpy())
    senders = ["input"]
    for layer in range(model.cfg.n_layers):
        senders += [f"a{layer}.h{head}" for head in range(model.cfg.n_heads)] + [f"m{layer}"]
    names = {"senders": senders, "receivers": graph.get_dst_nodes()}
    (folder / "names.json").write_text(json.dumps(names))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"cpu_seconds": seconds, "peak_gb": peak}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
