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


@dataclass(frozen=True)
class CrossLayer:
    """A cross-layer transcoder of every layer: activations, and what is written where."""

    folder: Path
    n_layers: int
    activations: Callable[[int, Tensor], Tensor]
    output: Callable[[int, list[Tensor]], Tensor]
    path: str = ""
