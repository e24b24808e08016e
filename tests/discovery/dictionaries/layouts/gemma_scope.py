"""Gemma Scope 1 and 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
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
    weights,
    write_json,
)


def gemma_scope_2(folder: Path, kind: str = "mlp_out", d: int = D, layer: int = 1) -> Case:
    w = weights(d)
    name = f"{kind}/layer_{layer}_width_16k_l0_big" + ("_affine" if kind == "transcoder" else "")
    stored = {key.lower(): tensor for key, tensor in w.items()}
    said: dict[str, Any] = {"architecture": "jump_relu", "model_name": "gemma-v3-270m"}
    block, norm = f"model.layers.{layer}", "post_feedforward_layernorm.output"
    reads = writes = {"mlp_out": "mlp_added", "attn_out": "attn_z"}.get(kind, "mlp_added")
    skip = torch.zeros(d, d)
    if kind == "transcoder":
        skip = stored["affine_skip_connection"] = normal(d, d, seed=9)
        said |= {
            "hf_hook_point_in": f"{block}.pre_feedforward_layernorm.output",
            "hf_hook_point_out": f"{block}.{norm}",
            "affine_connection": True,
        }
        reads = "mlp_in"
    else:
        hook = norm if kind == "mlp_out" else "self_attn.o_proj.input"
        said["hf_hook_point_in"] = f"{block}.{hook}"
    save(folder / name / "params.safetensors", stored)
    write_json(folder / name / "config.json", said)

    def act(x: Tensor) -> Tensor:
        return jump(x @ w["W_enc"] + w["b_enc"], w["threshold"])

    component = f"a{layer}" if kind == "attn_out" else f"m{layer}"
    output = affine(act, w)
    return Case(folder, act, lambda x: output(x) + x @ skip, component, reads, writes, name)


def gemma_scope_1(folder: Path, kind: str = "mlp", lower: bool = False, d: int = D) -> Case:
    w = weights(d, seed=20)
    root = folder / f"gemma-scope-2b-pt-{kind}"
    file = root / "layer_1/width_16k/average_l0_9/params.npz"
    file.parent.mkdir(parents=True)
    names = {key: key.replace("W_", "w_") if lower else key for key in w}
    arrays: dict[str, Any] = {names[key]: tensor.numpy() for key, tensor in w.items()}
    np.savez(file, **arrays)

    def act(x: Tensor) -> Tensor:
        return jump(x @ w["W_enc"] + w["b_enc"], w["threshold"])

    places: dict[str, tuple[str | None, str, str]] = {
        "mlp": ("m1", "mlp_added", "mlp_added"),
        "att": ("a1", "attn_z", "attn_z"),
        "res": (None, "resid_post", "resid_post"),
        "transcoders": ("m1", "mlp_unit", "mlp_added"),
    }
    path = "layer_1/width_16k/average_l0_9"
    return Case(root, act, affine(act, w), *places[kind], path)


def gemma_scope_2_clt(folder: Path, n_layers: int = 2) -> CrossLayer:
    path = "clt/width_16k_l0_medium_affine"
    by_layer = [weights(seed=400 + 10 * layer) for layer in range(n_layers)]
    skips = [normal(D, D, seed=480 + layer) for layer in range(n_layers)]
    decoders = [normal(UNITS, n_layers, D, seed=490 + layer) for layer in range(n_layers)]
    for layer, w in enumerate(by_layer):
        decoders[layer][:, :layer] = 0
        stored = {key.lower(): tensor for key, tensor in w.items()}
        stored |= {"w_dec": decoders[layer], "affine_skip_connection": skips[layer]}
        save(folder / path / f"params_layer_{layer}.safetensors", stored)
    write_json(
        folder / path / "config.json",
        {"architecture": "jump_relu", "model_name": "gemma-v3-270m", "affine_connection": True},
    )

    def act(layer: int, x: Tensor) -> Tensor:
        w = by_layer[layer]
        return jump(x @ w["W_enc"] + w["b_enc"], w["threshold"])

    def output(layer: int, xs: list[Tensor]) -> Tensor:
        written = [act(n, xs[n]) @ decoders[n][:, layer] for n in range(layer + 1)]
        return torch.stack(written).sum(0) + by_layer[layer]["b_dec"] + xs[layer] @ skips[layer]

    return CrossLayer(folder, n_layers, act, output, path)
