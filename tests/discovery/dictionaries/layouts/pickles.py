"""Formats that are pickles of tensors: dictionary_learning, Qwen Scope."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tests.discovery.dictionaries.layouts.base import (
    UNITS,
    Case,
    D,
    affine,
    jump,
    normal,
    top,
    weights,
    write_json,
)


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
