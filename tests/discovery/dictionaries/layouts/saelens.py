"""SAELens, of 6.0 on and before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.discovery.dictionaries.layouts.base import (
    UNITS,
    Case,
    D,
    jump,
    normal,
    save,
    top,
    weights,
    write_json,
)


def saelens(folder: Path, architecture: str = "standard", **more: Any) -> Case:
    """Of 6.0 on; `more` are keys of the configuration, metadata under `metadata`."""
    w = weights(seed=40)
    transcodes = "transcoder" in architecture
    about = {"hook_name": "blocks.1.hook_mlp_out", "sae_lens_version": "6.54.12"}
    if transcodes:
        about |= {"hook_name": "blocks.1.mlp.hook_in", "hook_name_out": "blocks.1.hook_mlp_out"}
    said: dict[str, Any] = {
        "architecture": architecture,
        "d_in": D,
        "d_sae": UNITS,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": not transcodes,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": about | more.pop("metadata", {}),
    } | more
    if transcodes:
        said.setdefault("d_out", D)
    stored = dict(w)
    if "jumprelu" not in architecture:
        del stored["threshold"]
    skip = torch.zeros(D, D)
    if "skip" in architecture:
        stored["W_skip"] = normal(D, D, seed=47)
        skip = stored["W_skip"].T
    gate: dict[str, Tensor] = {}
    if architecture == "gated":
        del stored["b_enc"]
        gate = {
            name: normal(UNITS, seed=50 + i) for i, name in enumerate(("b_gate", "b_mag", "r_mag"))
        }
        stored |= gate
    save(folder / "sae_weights.safetensors", stored)
    write_json(folder / "cfg.json", said)
    norms = w["W_dec"].norm(dim=-1)
    weighed = said.get("rescale_acts_by_decoder_norm", False)

    def ready(x: Tensor) -> tuple[Tensor, Tensor | float, Tensor | float]:
        size: Tensor | float = 1.0
        mean: Tensor | float = 0.0
        if said["normalize_activations"] == "layer_norm":
            mean = x.mean(-1, keepdim=True)
            size = (x - mean).std(-1, keepdim=True)
            x = (x - mean) / (size + 1e-5)
        elif said["normalize_activations"] == "constant_norm_rescale":
            size = x.norm(dim=-1, keepdim=True) / D**0.5
            x = x / size
        return (x - w["b_dec"] if said["apply_b_dec_to_input"] else x), size, mean

    def act(x: Tensor) -> Tensor:
        x, _, _ = ready(x)
        if architecture == "gated":
            open_ = x @ w["W_enc"] + gate["b_gate"] > 0
            return open_ * (x @ (w["W_enc"] * gate["r_mag"].exp()) + gate["b_mag"]).relu()
        pre = x @ w["W_enc"] + w["b_enc"]
        if architecture == "topk":
            return top(pre * norms if weighed else pre, said["k"])
        return jump(pre, w["threshold"]) if "jumprelu" in architecture else pre.relu()

    def output(x: Tensor) -> Tensor:
        _, size, mean = ready(x)
        found = act(x) / norms if weighed else act(x)
        written = found @ w["W_dec"] + w["b_dec"]
        return written + x @ skip if transcodes else written * size + mean

    reads = "mlp_in" if transcodes else "mlp_added"
    return Case(folder, act, output, "m1", reads, "mlp_added")


def saelens_before_6(folder: Path, k: int | None = None, **more: Any) -> Case:
    w = weights(seed=60)
    said: dict[str, Any] = {
        "model_name": "gpt2-small",
        "hook_point": "blocks.1.hook_mlp_out",
        "hook_layer": 1,
        "d_in": D,
        "d_sae": UNITS,
        "activation_fn_str": "relu" if k is None else "topk",
        "activation_fn_kwargs": {} if k is None else {"k": k},
        "normalize_activations": "none",
    } | more
    stored = {name: w[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    scale = torch.ones(UNITS)
    if said.get("finetuning_scaling_factor"):
        scale = stored["scaling_factor"] = normal(UNITS, seed=66).abs()
    save(folder / "sae_weights.safetensors", stored)
    write_json(folder / "cfg.json", said)

    def act(x: Tensor) -> Tensor:
        taken = x - w["b_dec"] if said.get("apply_b_dec_to_input", True) else x
        pre = taken @ w["W_enc"] + w["b_enc"]
        return pre.relu() if k is None else top(pre, k)

    def output(x: Tensor) -> Tensor:
        return (act(x) * scale) @ w["W_dec"] + w["b_dec"]

    return Case(folder, act, output, "m1", "mlp_added", "mlp_added")


def standard_sae(folder: Path, d: int, units: int, hook: str, seed: int = 0) -> Path:
    """A plain SAE of a model's own width, with random weights."""
    stored = weights(d, units, seed)
    del stored["threshold"]
    save(folder / "sae_weights.safetensors", stored)
    said = {
        "architecture": "standard",
        "d_in": d,
        "d_sae": units,
        "dtype": "float32",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "metadata": {"hook_name": hook, "sae_lens_version": "6.54.12"},
    }
    write_json(folder / "cfg.json", said)
    return folder
