"""Rotary angles that depend on a prompt's length: longrope and dynamic NTK scaling.

The library's module takes its frequencies from the longest prompt of a batch, and a dynamic one
keeps those of the longest prompt it has seen. A prompt's angles would then depend on what it is
computed beside, on the chunk size, and on whether its beginning is computed apart. Here each row's
angles are those of its own whole prompt run alone through a fresh module, which is what the model
does with that prompt.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

Angles = tuple[Tensor, Tensor]
Module = Callable[[nn.Module, Int[Tensor, "row pos"]], Angles]
"""How a family calls its rotary module on position ids."""

LENGTH_FREE = {"default", "linear", "yarn", "llama3", "proportional"}
"""Kinds whose frequencies are fixed when the module is made; any other goes by length."""


def rope_type(module: nn.Module, kind: str) -> str:
    """What a rotary module computes for layers of `kind`, by the library's name."""
    found: Any = getattr(module, "rope_type", "default")
    return found.get(kind, "default") if isinstance(found, dict) else found  # pyright: ignore


def length_dependent(module: nn.Module, kind: str) -> bool:
    """Whether the module's angles depend on how long the prompts it sees are."""
    return rope_type(module, kind) not in LENGTH_FREE


def by_own_length(
    fresh: nn.Module,
    call: Module,
    position_ids: Int[Tensor, "batch pos"],
    prompt_lengths: Int[Tensor, " batch"],
) -> Angles:
    """Each row's cosines and sines [batch, pos, d_rotary], as those of its whole prompt alone.

    `fresh` has seen no prompt, and sees none here: each length gets a copy of it.
    """
    lengths = [int(length) for length in prompt_lengths]
    tables: dict[int, Angles] = {}
    for length in set(lengths):
        alone = torch.arange(length, device=position_ids.device)[None]
        cos, sin = call(copy.deepcopy(fresh), alone)
        tables[length] = cos[0], sin[0]
    rows = [
        tuple(part[ids] for part in tables[length])
        for length, ids in zip(lengths, position_ids, strict=True)
    ]
    cos, sin = (torch.stack(part) for part in zip(*rows, strict=True))
    return cos, sin
