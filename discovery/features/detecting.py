"""How well what is shown of a unit tells where it is active: on prompts that were not shown."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool, Float
from numpy import ndarray

from graph_schema.documents.feature import DetectionScore


def by_tokens(
    peaked: frozenset[int],
    prompts: Sequence[Sequence[int]],
    active: Bool[ndarray, " prompt"],
    counts_first: bool,
) -> DetectionScore:
    """Told by whether a prompt has one of the tokens at which the shown examples peak."""
    told = [not peaked.isdisjoint(prompt[0 if counts_first else 1 :]) for prompt in prompts]
    return DetectionScore.of("tokens", told, active.tolist())


def by_activation(
    weakest: float, sizes: Float[ndarray, " prompt"], active: Bool[ndarray, " prompt"]
) -> DetectionScore:
    """Told by whether the unit is as active as on the weakest shown example.

    It misses prompts on which the unit is active, but less than on any that is shown: low where
    the shown examples are the tip of something else.
    """
    return DetectionScore.of("activation", (sizes >= weakest).tolist(), active.tolist())
