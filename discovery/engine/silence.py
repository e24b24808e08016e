"""What the loss becomes when whole components are ablated: every edge out of them at once.

It is the exact engine's loss of every edge but theirs. The state is run once; then only what hangs
on a silenced sender is computed again, in a lane beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.schedule import AttentionStep, LogitsStep, hanging
from discovery.engine.state import State
from discovery.engine.unembedding import losses_at


@dataclass(frozen=True)
class Silenced:
    """The loss of each example, and what the logits read, with some senders ablated."""

    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]


@torch.no_grad()
def silenced(state: State, senders: Sequence[int]) -> Silenced:
    """The state, which must be restartable, with all edges out of `senders` dropped too."""
    graph, bench, last = state.graph, state.bench, state.last
    layer = int(graph.sender_layers[list(senders)].min())
    schedule = hanging(state.plan, senders, max(layer, 0))
    lanes = state.lanes(schedule.moving, 1)
    lanes.mute(senders)
    for step in schedule.steps:
        mixture = state.mixture(step, schedule.moving)
        if isinstance(step, LogitsStep):
            last = lanes.read(mixture)[0]
            continue
        held = state.held(step) if isinstance(step, AttentionStep) else None
        lanes.run(step, mixture, held)
        lanes.mute(senders)  # one of them may hang on another
    (loss,) = losses_at(bench.experiment.adapter, bench.objective, last[None])
    return Silenced(loss, last)
