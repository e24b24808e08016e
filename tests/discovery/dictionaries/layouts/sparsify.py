"""sparsify's coders."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.discovery.dictionaries.layouts.base import (
    UNITS,
    Case,
    D,
    affine,
    normal,
    save,
    top,
    weights,
    write_json,
)


def sparsify(
    folder: Path, activation: str = "topk", transcode: bool = False, skip: bool = False
) -> Case:
    w, k, place = weights(seed=500), 3, folder / "layers.1.mlp"
    stored = {
        "encoder.weight": w["W_enc"].T,
        "encoder.bias": w["b_enc"],
        "W_dec": w["W_dec"],
        "b_dec": w["b_dec"],
    }
    passed = torch.zeros(D, D)
    if skip:
        passed = stored["W_skip"] = normal(D, D, seed=510)
    save(place / "sae.safetensors", stored)
    said = {
        "activation": activation,
        "expansion_factor": 32,
        "normalize_decoder": not transcode,
        "num_latents": UNITS,
        "k": k,
        "multi_topk": False,
        "skip_connection": skip,
        "transcode": transcode,
        "d_in": D,
    }
    write_json(place / "cfg.json", said)
    write_json(folder / "config.json", {"model": "EleutherAI/pythia-70m"})

    def act(x: Tensor) -> Tensor:
        pre = ((x if transcode else x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
        if activation == "topk":
            return top(pre, k)
        kept, size = torch.zeros_like(pre), UNITS // k
        for row, values in enumerate(pre):
            for group in range(k):
                place = group * size + int(values[group * size : (group + 1) * size].argmax())
                kept[row, place] = values[place]
        return kept

    output = affine(act, w)
    reads = "mlp_in" if transcode else "mlp_out"
    return Case(
        folder, act, lambda x: output(x) + x @ passed.T, "m1", reads, "mlp_out", "layers.1.mlp"
    )
