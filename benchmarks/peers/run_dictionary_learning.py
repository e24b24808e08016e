"""Dictionaries of dictionary_learning, saved and read back by its own loaders.

Called by benchmarks/dictionaries.py.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from dictionary_learning.dictionary import (
    AutoEncoder,
    AutoEncoderNew,
    GatedAutoEncoder,
    JumpReluAutoEncoder,
)
from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
from dictionary_learning.trainers.top_k import AutoEncoderTopK
from dictionary_results import UNITS, D, inputs, keep, randomise

K = 9
CASES: dict[str, Any] = {
    "AutoEncoder": lambda: AutoEncoder(D, UNITS),
    "AutoEncoderNew": lambda: AutoEncoderNew(D, UNITS),
    "GatedAutoEncoder": lambda: GatedAutoEncoder(D, UNITS),
    "JumpReluAutoEncoder": lambda: JumpReluAutoEncoder(D, UNITS),
    "AutoEncoderTopK": lambda: AutoEncoderTopK(D, UNITS, K),
    "BatchTopKSAE": lambda: BatchTopKSAE(D, UNITS, K),
    "MatryoshkaBatchTopKSAE": lambda: MatryoshkaBatchTopKSAE(D, UNITS, K, [80, UNITS - 80]),
}


def main() -> None:
    folder = Path(sys.argv[1])
    for seed, (name, make) in enumerate(CASES.items()):
        made = make()
        randomise(made, seed)
        if "BatchTopK" in name:
            made.threshold.fill_(0.4)
        place = folder / name
        place.mkdir(parents=True)
        torch.save(made.state_dict(), place / "ae.pt")
        trainer = {"dict_class": name, "activation_dim": D, "dict_size": UNITS, "layer": 1}
        trainer |= {"lm_name": "EleutherAI/pythia-70m-deduped", "submodule_name": "mlp_layer_1"}
        if "TopK" in name:
            trainer["k"] = K
        (place / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {}}))
        loaded = type(made).from_pretrained(str(place / "ae.pt"))
        keep(place, loaded.encode(inputs()), loaded(inputs()))
    print(json.dumps([f"dictionary-learning {version('dictionary-learning')}"]))


main()
