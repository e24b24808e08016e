"""When along a training a rung comes and stays, and loss curves thin enough to be drawn."""

from __future__ import annotations

from collections.abc import Sequence

from graph_schema.documents.rungs import Rung, RungState
from graph_schema.documents.training import CheckpointFinding, Since

MOST_POINTS = 400


def since(checkpoints: Sequence[CheckpointFinding], rung: Rung) -> Since:
    """The first checkpoint from which on the rung is present at all; `checkpoints` by step."""
    first = len(checkpoints)
    while first and checkpoints[first - 1].at(rung).state is RungState.PRESENT:
        first -= 1
    if first == len(checkpoints):
        return Since(rung=rung, step=None, after=checkpoints[-1].step)
    before = checkpoints[first - 1].step if first else None
    return Since(rung=rung, step=checkpoints[first].step, after=before)


def thinned(
    curve: Sequence[tuple[int, float]], most: int = MOST_POINTS
) -> tuple[tuple[int, float], ...]:
    """At most so many points: each the mean of neighbours, at the last one's step."""
    size = -(-len(curve) // most)
    groups = [curve[at : at + size] for at in range(0, len(curve), size)] if curve else []
    return tuple((each[-1][0], sum(loss for _, loss in each) / len(each)) for each in groups)


def loss_at(curve: Sequence[tuple[int, float]], step: int, window: int = 10) -> float | None:
    """The loss up to a step: the mean of the last `window` losses before it; None before any."""
    seen = [loss for at, loss in curve if at <= step][-window:]
    return sum(seen) / len(seen) if seen and step > 0 else None
