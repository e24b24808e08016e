"""Where units are most active: by prompt, and the prompts that show it best.

Activation is by its size here: a neuron's may be of either sign. The first position of a prompt is
left out, where attention sinks make values a hundred times larger that say nothing of the token,
except for a unit that is active nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from discovery.features.watching import Activations
from graph_schema.documents.feature import FeatureExample

LONGEST = 64
"""Tokens of an example; of a longer prompt those around the peak."""
BEFORE = 48
"""How many of them stand before it."""
AT_TOKEN, IN_PROMPT = 0.1, 0.5
"""The share of its largest activation over which a unit that is seldom 0 counts as active, at a
token and in a prompt, where it peaks: a neuron is over a tenth somewhere in nearly every prompt."""


@dataclass(frozen=True)
class Peaks:
    """Where each unit is most active in each prompt, and how much: |activation|, 0 if nowhere."""

    size: Float[ndarray, "prompt unit"]
    at: Int[ndarray, "prompt unit"]

    @classmethod
    def of(cls, watched: Sequence[Activations], first: Bool[ndarray, " unit"]) -> Peaks:
        """The peaks; the first position counts for the units of `first`."""
        size = np.zeros((len(watched), len(first)), dtype=np.float32)
        at = np.zeros(size.shape, dtype=np.int64)
        for prompt, values in enumerate(watched):
            sizes = np.abs(values)
            sizes[0, ~first] = 0
            at[prompt] = sizes.argmax(0)
            size[prompt] = np.take_along_axis(sizes, at[prompt][None], 0)[0]
        return cls(size, at)


def only_first(watched: Sequence[Activations], n_units: int) -> Bool[ndarray, " unit"]:
    """Which units are active at first positions alone."""
    later = Peaks.of(watched, np.zeros(n_units, dtype=np.bool_)).size.max(0, initial=0)
    every = Peaks.of(watched, np.ones(n_units, dtype=np.bool_)).size.max(0, initial=0)
    return (later == 0) & (every > 0)


def active_over(
    peaks: Peaks, sparse: Bool[ndarray, " unit"], share: float
) -> Float[ndarray, " unit"]:
    """What |activation| is to be over: 0 of units that are mostly 0, else a share of the largest.

    Units without any activation are active nowhere.
    """
    return np.where(sparse, 0, share * peaks.size.max(0, initial=0)).astype(np.float32)


def density(
    watched: Sequence[Activations],
    over: Float[ndarray, " unit"],
    first: Bool[ndarray, " unit"],
) -> tuple[Float[ndarray, " unit"], Int[ndarray, " unit"]]:
    """The share of tokens at which each unit is active, and of how many tokens that is."""
    n_active = np.zeros(len(first), dtype=np.int64)
    n_tokens = np.zeros(len(first), dtype=np.int64)
    for values in watched:
        active = np.abs(values) > over
        n_active += active[1:].sum(0) + np.where(first, active[0], 0)
        n_tokens += len(values) - 1 + first
    return n_active / np.maximum(n_tokens, 1), n_tokens


def shown(
    unit: int,
    peaks: Peaks,
    over: float,
    n: int,
) -> list[int]:
    """The prompts on which a unit is most active, the most active first, where it is active."""
    sizes = peaks.size[:, unit]
    best = np.argsort(-sizes, kind="stable")[:n]
    return [int(prompt) for prompt in best if sizes[prompt] > over]


def example(texts: Sequence[str], activations: Float[ndarray, " pos"], at: int) -> FeatureExample:
    """A prompt as an example, or the part of it around the peak."""
    start = max(0, min(at - BEFORE, len(texts) - LONGEST))
    part = slice(start, start + LONGEST)
    return FeatureExample(
        tokens=tuple(texts[part]),
        activations=tuple(float(f"{value:.4g}") for value in activations[part].tolist()),
        position=at - start,
        start=start,
    )
