"""How well each head's attention fits a role's pattern, on each probe condition.

previous token (Elhage et al. 2021): mean attention to the token before. Duplicate token (Wang et
al. 2022): to earlier copies of the same token. Induction (Olsson et al. 2022): to the tokens after
earlier copies, from where there is one. Name movers and copy suppression: from the end to the name
that is the answer; S-inhibition: from the end to the subject's second mention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum
from numpy.typing import NDArray

from discovery.engine.attention import attention
from discovery.engine.experiment import pad
from discovery.engine.room import room
from discovery.models import Batch, ModelAdapter
from discovery.progress import Report
from discovery.roles.probes import LOOKS, Condition, Probe
from discovery.roles.watching import AtLayer, watched
from graph_schema.documents import RoleName

Heads = NDArray[np.float64]
"""A figure of every head, [layer, head]."""


@dataclass(frozen=True)
class Patterns:
    """Scores [layer, head] of each role on each condition that shows it; figures that describe.

    `offset`: mean attention to the place so many tokens back that a head likes best, on repeated
    tokens of every period; `first`: to the first position.
    """

    scores: dict[RoleName, dict[str, Heads]]
    offset: Heads
    first: Heads


def patterns(
    adapter: ModelAdapter,
    conditions: Sequence[Condition],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> Patterns:
    """Every head's attention on every condition."""
    scores: dict[RoleName, dict[str, Heads]] = {role: {} for role in LOOKS}
    back: list[NDArray[np.float64]] = []
    first: list[Heads] = []
    for number, condition in enumerate(conditions):
        if progress:
            progress(number, len(conditions))
        total = _on(adapter, condition, chunk)
        for role in condition.roles:
            if total.weights[role] > 0:
                scores[role][condition.name] = total.sums[role] / total.weights[role]
        if not condition.probes[0].places:
            back.append(total.back / total.counts)
            first.append(total.first / total.counts.max())
    shape = (adapter.shape.n_layers, adapter.shape.n_heads)
    if not back:
        return Patterns(scores, np.zeros(shape), np.zeros(shape))
    most = min(each.shape[-1] for each in back)
    steady = np.min([each[..., :most] for each in back], axis=0)
    return Patterns(scores, steady.max(axis=-1), np.min(first, axis=0))


class _Totals:
    """Sums over a condition's prompts."""

    def __init__(self, adapter: ModelAdapter, length: int) -> None:
        shape = (adapter.shape.n_layers, adapter.shape.n_heads)
        self.sums = {role: np.zeros(shape) for role in LOOKS}
        self.weights = dict.fromkeys(LOOKS, 0.0)
        self.back = np.zeros((*shape, length - 1))
        self.counts = np.zeros(length - 1)
        self.first = np.zeros(shape)


def _on(adapter: ModelAdapter, condition: Condition, chunk: int | None) -> _Totals:
    probes = condition.probes
    length = max(len(probe.tokens) for probe in probes)
    size = chunk or fitting(adapter, length)
    total = _Totals(adapter, length)
    for start in range(0, len(probes), size):
        _add(total, adapter, probes[start : start + size], condition.roles)
    return total


def _add(
    total: _Totals, adapter: ModelAdapter, probes: Sequence[Probe], roles: frozenset[RoleName]
) -> None:
    batch = pad(adapter, [probe.tokens for probe in probes])
    masks = {role: mask for role in roles if (mask := looks_mask(batch, probes, role)).any()}
    length = batch.tokens.shape[1]
    real = batch.attention_mask.float()
    for role, mask in masks.items():
        total.weights[role] += float(mask.any(-1).sum())
    for step in range(1, length):
        total.counts[step - 1] += float(real[:, step:].sum())

    def look(at: AtLayer) -> None:
        weights = attention(adapter, batch, at.layer, at.q, at.k).float()
        for role, mask in masks.items():
            found = einsum(weights, mask.float(), "batch head pos key, batch pos key -> head")
            total.sums[role][at.layer] += found.cpu().double().numpy()
        weights = weights * real[:, None, :, None]
        total.first[at.layer] += weights[:, :, 1:, 0].sum((0, 2)).cpu().double().numpy()
        for step in range(1, length):
            back = weights.diagonal(-step, 2, 3).sum((0, 2))
            total.back[at.layer, :, step - 1] += back.cpu().double().numpy()

    watched(adapter, batch, look)


def looks_mask(batch: Batch, probes: Sequence[Probe], role: RoleName) -> torch.Tensor:
    """[batch, pos, key]: where a head with the role looks."""
    n, length = batch.tokens.shape
    mask = torch.zeros(n, length, length, dtype=torch.bool)
    for row, probe in enumerate(probes):
        for query, keys in probe.looks(role):
            mask[row, query, list(keys)] = True
    return mask.to(batch.tokens.device)


def fitting(adapter: ModelAdapter, length: int) -> int:
    """How many prompts of a length fit the device's room, attention weights and all."""
    sizes = adapter.shape
    each = length * (
        6 * sizes.n_heads * (length + sizes.d_head) + 8 * sizes.d_model + 4 * sizes.d_mlp
    )
    return max(1, room(adapter.device) // (each * torch.finfo(adapter.dtype).bits // 8))
