"""Sparse coders that sparsify makes, saves and runs; called by benchmarks/dictionaries.py."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # which wants a GPU; read when it is imported

import torch
from dictionary_results import UNITS, D, inputs, keep, randomise
from sparsify.config import SparseCoderConfig
from sparsify.sparse_coder import SparseCoder

CASES: dict[str, dict[str, Any]] = {
    "topk": {},
    "groupmax": {"activation": "groupmax", "k": 8},
    "transcoder": {"transcode": True},
    "skip transcoder": {"transcode": True, "skip_connection": True},
}


def main() -> None:
    folder = Path(sys.argv[1])
    for seed, (name, more) in enumerate(CASES.items()):
        coder = SparseCoder(D, SparseCoderConfig(**{"num_latents": UNITS, "k": 9, **more}))
        randomise(coder, seed)
        place = folder / name / "layers.1.mlp"
        coder.save_to_disk(place)
        x = inputs()
        found = coder.encode(x)
        acts = torch.zeros(len(x), UNITS).scatter_(-1, found.top_indices, found.top_acts)
        keep(place, acts, coder(x).sae_out)
    print(json.dumps([f"eai-sparsify {version('eai-sparsify')}"]))


main()
