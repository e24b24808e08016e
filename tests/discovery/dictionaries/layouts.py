"""Every format's files, written as their own tools write them, with the formula they stand for.

A `Case` is what was written and what it computes by that formula alone: activations as the tool
shows them, and the reconstruction. `skip` and cross-layer writes are in the reconstruction.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

D, UNITS = 6, 15
"""Widths that tell axes apart."""

Formula = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A written dictionary: where it lies, what it computes, and where it sits."""

    folder: Path
    activations: Formula
    output: Formula
    component: str | None
    reads: str
    writes: str
    path: str = ""
    hook: str | None = None
    model: Any = None


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.5


def weights(d: int = D, units: int = UNITS, seed: int = 0) -> dict[str, Tensor]:
    """Encoder [in, unit], decoder [unit, out], biases and thresholds."""
    return {
        "W_enc": normal(d, units, seed=seed),
        "W_dec": normal(units, d, seed=seed + 1),
        "b_enc": normal(units, seed=seed + 2),
        "b_dec": normal(d, seed=seed + 3),
        "threshold": normal(units, seed=seed + 4).abs() * 0.5,
    }


def save(file: Path, tensors: dict[str, Tensor]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)


def write_json(file: Path, said: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(said))


def write_yaml(file: Path, said: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(said))


def jump(pre: Tensor, threshold: Tensor, rectified: bool = True) -> Tensor:
    return (pre.relu() if rectified else pre) * (pre > threshold)


def top(pre: Tensor, k: int, rectified: bool = True) -> Tensor:
    kept = torch.zeros_like(pre)
    for row, values in enumerate(pre):
        for place in values.argsort(descending=True)[:k]:
            kept[row, place] = values[place].relu() if rectified else values[place]
    return kept


def affine(act: Formula, w: dict[str, Tensor]) -> Formula:
    return lambda x: act(x) @ w["W_dec"] + w["b_dec"]


# Gemma Scope


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

    places = {
        "mlp": ("m1", "mlp_added", "mlp_added"),
        "att": ("a1", "attn_z", "attn_z"),
        "res": (None, "resid_post", "resid_post"),
        "transcoders": ("m1", "mlp_unit", "mlp_added"),
    }
    path = "layer_1/width_16k/average_l0_9"
    return Case(root, act, affine(act, w), *places[kind], path)


# SAELens


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


# circuit-tracer


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


@dataclass(frozen=True)
class CrossLayer:
    """A cross-layer transcoder of every layer: activations, and what is written where."""

    folder: Path
    n_layers: int
    activations: Callable[[int, Tensor], Tensor]
    output: Callable[[int, list[Tensor]], Tensor]
    path: str = ""


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


# sparsify


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


# Pickles of tensors


def dictionary_learning(folder: Path, name: str = "AutoEncoder") -> Case:
    w, k = weights(seed=600), 4
    norms = w["W_dec"].norm(dim=-1)
    linear = {
        "encoder.weight": w["W_enc"].T.contiguous(),
        "decoder.weight": w["W_dec"].T.contiguous(),
    }
    biased = linear | {"encoder.bias": w["b_enc"], "b_dec": w["b_dec"]}
    scalar = torch.tensor(0.2)
    gate = {
        n: normal(UNITS, seed=610 + i) for i, n in enumerate(("gate_bias", "mag_bias", "r_mag"))
    }
    stored: dict[str, Tensor] = {
        "AutoEncoder": linear | {"encoder.bias": w["b_enc"], "bias": w["b_dec"]},
        "AutoEncoderNew": linear | {"encoder.bias": w["b_enc"], "decoder.bias": w["b_dec"]},
        "GatedAutoEncoder": linear | gate | {"decoder_bias": w["b_dec"]},
        "JumpReluAutoEncoder": dict(w),
        "AutoEncoderTopK": biased | {"k": torch.tensor(k), "threshold": torch.tensor(0.9)},
        "BatchTopKSAE": biased | {"k": torch.tensor(k), "threshold": scalar},
        "MatryoshkaBatchTopKSAE": w
        | {"k": torch.tensor(k), "threshold": scalar, "group_sizes": torch.tensor([5, 10])},
    }[name]
    place = folder / "trainer_0"
    place.mkdir(parents=True)
    torch.save(stored, place / "ae.pt")
    trainer = {
        "dict_class": name,
        "activation_dim": D,
        "dict_size": UNITS,
        "layer": 1,
        "lm_name": "EleutherAI/pythia-70m-deduped",
        "submodule_name": "mlp_layer_1",
    }
    if "TopK" in name:
        trainer["k"] = k
    write_json(place / "config.json", {"trainer": trainer, "buffer": {"ctx_len": 128}})

    def act(x: Tensor) -> Tensor:
        if name in ("AutoEncoderNew", "JumpReluAutoEncoder"):
            pre = x @ w["W_enc"] + w["b_enc"]
            return pre.relu() if name == "AutoEncoderNew" else jump(pre, w["threshold"])
        x = x - w["b_dec"]
        if name == "GatedAutoEncoder":
            pre = x @ w["W_enc"]
            return (pre + gate["gate_bias"] > 0) * (
                gate["r_mag"].exp() * pre + gate["mag_bias"]
            ).relu()
        pre = x @ w["W_enc"] + w["b_enc"]
        if name == "AutoEncoder":  # whose loader gives every direction norm 1
            return pre.relu() * norms
        return top(pre, k) if name == "AutoEncoderTopK" else jump(pre, scalar)

    def output(x: Tensor) -> Tensor:
        found = act(x) / norms if name == "AutoEncoder" else act(x)
        return found @ w["W_dec"] + w["b_dec"]

    return Case(folder, act, output, "m1", "mlp_out", "mlp_out", "trainer_0")


def qwen_scope(folder: Path) -> Case:
    w, root = weights(seed=700), folder / "SAE-Res-Qwen3-1.7B-Base-W32K-L0_4"
    root.mkdir(parents=True)
    stored = {
        "W_enc": w["W_enc"].T.contiguous(),
        "W_dec": w["W_dec"].T.contiguous(),
        "b_enc": w["b_enc"],
        "b_dec": w["b_dec"],
    }
    torch.save(stored, root / "layer1.sae.pt")

    def act(x: Tensor) -> Tensor:
        return top(x @ w["W_enc"] + w["b_enc"], 4)

    return Case(root, act, affine(act, w), None, "resid_post", "resid_post", "layer1.sae.pt")
