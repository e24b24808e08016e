"""What the loss becomes when whole components are ablated: every edge out of them at once.

It is the exact engine's loss of every edge but theirs. The state is run once; then only what hangs
on a silenced sender is computed again, and put back afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from discovery.engine.plan import AttentionStep, LogitsStep, hanging
from discovery.engine.state import State


@dataclass(frozen=True)
class Silenced:
    """The loss of each example, and what the logits read, with some senders ablated."""

    loss: Float[Tensor, " batch"]
    last: Float[Tensor, "batch target d_model"]


@torch.no_grad()
def silenced(state: State, senders: Sequence[int]) -> Silenced:
    """The state, which must be restartable, with all edges out of `senders` dropped too."""
    graph = state.graph
    layer = min((sender - graph.n_inputs) // (graph.n_heads + 1) for sender in senders)
    plan = hanging(graph, state.kept, senders, max(layer, 0))
    rows = torch.from_numpy(np.flatnonzero(plan.moving)).to(state.delta.device)
    saved, before = state.delta[rows], (state.loss, state.last)
    mute = torch.tensor(list(senders), device=state.delta.device)
    try:
        state.delta[mute] = 0
        for step in plan.steps:
            held = state.held(step) if isinstance(step, AttentionStep) else None
            state.run(step, state.mixture(step, plan.moving), held)
            if not isinstance(step, LogitsStep):
                state.delta[mute] = 0  # one of them may hang on another
        return Silenced(state.loss, state.last)
    finally:
        state.delta[rows] = saved
        state.loss, state.last = before
