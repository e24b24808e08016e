"""circuit-tracer's transcoders, by layer and across layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.discovery.dictionaries.layouts.base import (
    UNITS,
    Case,
    CrossLayer,
    D,
    affine,
    jump,
    normal,
    save,
    top,
    weights,
    write_yaml,
)


def circuit_tracer(folder: Path, threshold: bool = False, skip: bool = False, k: int = 0) -> Case:
    """A set of two layers; the case is of the second."""
    said: dict[str, Any] = {
        "model_name": "google/gemma-2-2b",
        "model_kind": "transcoder_set",
        "feature_input_hook": "ln2.hook_normalized",
        "feature_output_hook": "hook_mlp_out",
        "transcoders": ["layer_0.safetensors", "layer_1.safetensors"],
        "scan": "gemma",
    }
    if k:
        said |= {"activation": "topk", "k": k}
    for layer in range(2):
        w = weights(seed=80 + 10 * layer)
        if threshold:  # where it matters whether what passes is cut off
            w["threshold"] = w["threshold"] - 0.6
        stored = {"W_enc": w["W_enc"].T, **{n: w[n] for n in ("W_dec", "b_enc", "b_dec")}}
        if threshold:
            stored["activation_function.threshold"] = w["threshold"]
        if skip:
            stored["W_skip"] = normal(D, D, seed=99 + layer)
        save(folder / f"layer_{layer}.safetensors", stored)
    write_yaml(folder / "config.yaml", said)
    w, passed = weights(seed=90), normal(D, D, seed=100) if skip else torch.zeros(D, D)
    if threshold:
        w["threshold"] = w["threshold"] - 0.6

    def act(x: Tensor) -> Tensor:
        pre = x @ w["W_enc"] + w["b_enc"]
        if k:
            return top(pre, k, rectified=False)
        return jump(pre, w["threshold"], rectified=False) if threshold else pre.relu()

    output = affine(act, w)
    return Case(folder, act, lambda x: output(x) + x @ passed.T, "m1", "mlp_unit", "mlp_added")


def circuit_tracer_clt(
    folder: Path, n_layers: int = 2, d: int = D, units: int = UNITS
) -> CrossLayer:
    by_layer = [weights(d, units, seed=200 + 10 * layer) for layer in range(n_layers)]
    decoders = [normal(units, n_layers - layer, d, seed=300 + layer) for layer in range(n_layers)]
    for layer, w in enumerate(by_layer):
        save(
            folder / f"W_enc_{layer}.safetensors",
            {
                f"W_enc_{layer}": w["W_enc"].T,
                f"b_enc_{layer}": w["b_enc"],
                f"b_dec_{layer}": w["b_dec"],
                f"threshold_{layer}": w["threshold"],
            },
        )
        save(folder / f"W_dec_{layer}.safetensors", {f"W_dec_{layer}": decoders[layer]})
    said = {
        "model_name": "google/gemma-2-2b",
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": "hook_resid_mid",
        "feature_output_hook": "hook_mlp_out",
    }
    write_yaml(folder / "config.yaml", said)

    def act(layer: int, x: Tensor) -> Tensor:
        w = by_layer[layer]
        return jump(x @ w["W_enc"] + w["b_enc"], w["threshold"], rectified=False)

    def output(layer: int, xs: list[Tensor]) -> Tensor:
        written = [act(n, xs[n]) @ decoders[n][:, layer - n] for n in range(layer + 1)]
        return torch.stack(written).sum(0) + by_layer[layer]["b_dec"]

    return CrossLayer(folder, n_layers, act, output)
