"""Roles that are told by name movers: S-inhibition, and their backups (Wang et al. 2022).

An S-inhibition head works through the name movers' queries: that is tested by dropping its edges
into these alone. A backup name mover looks at the answer's name when the name movers are ablated,
more than before, and is worth something then.

Name movers themselves are told by what they write to the logits directly, as Wang et al. do: a head
that suppresses what is about to be said (McDougall et al. 2023, arXiv:2310.04625) reads their
writes, and makes up for an ablated mover.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.attention import attention
from discovery.engine.experiment import Experiment, pad
from discovery.models import ModelAdapter
from discovery.roles.causal import Head
from discovery.roles.names import Named
from discovery.roles.path_patching import Patch
from discovery.roles.patterns import fitting
from discovery.roles.watching import AtLayer, watched
from graph_schema.documents import Channel, RoleName, head_name

TOLD_BY_MOVERS = frozenset((RoleName.S_INHIBITION, RoleName.BACKUP_NAME_MOVER))
"""Roles that are told by what they do to name movers, so that there must be some."""
NO_MOVERS = "no head passes as a name mover here, and this role is told by what it does to those"


def into_queries(experiment: Experiment, head: Head, movers: Sequence[Head]) -> Patch:
    """A head patched, seen by its edges into the queries of later name movers alone."""
    graph = experiment.graph
    later = [head_name(*mover) for mover in movers if mover[0] > head[0]]
    sender = graph.head_sender(*head)
    return Patch((sender,), tuple(graph.inputs_of(later, [Channel.Q])), (sender,))


def onto_logits(experiment: Experiment, head: Head) -> Patch:
    """A head patched, seen by its own edge to the logits alone."""
    graph = experiment.graph
    sender = (graph.head_sender(*head),)
    return Patch(sender, (graph.logits,), sender)


Looks = NDArray[np.float64]
"""Attention from the end to the answer's name [layer, head, prompt]."""


def looks_without(
    adapter: ModelAdapter,
    prompts: Mapping[str, Sequence[Named]],
    movers: Sequence[Head],
    chunk: int | None = None,
) -> tuple[dict[str, Looks], dict[str, Looks]]:
    """By condition, the attention to the answer's name as it is, and with `movers` ablated.

    They are ablated by what they write on the prompt of a third name.
    """
    before = {name: _looks(adapter, found, (), chunk) for name, found in prompts.items()}
    after = {name: _looks(adapter, found, movers, chunk) for name, found in prompts.items()}
    return before, after


def _looks(
    adapter: ModelAdapter, prompts: Sequence[Named], movers: Sequence[Head], chunk: int | None
) -> Looks:
    size = chunk or fitting(adapter, max(len(each.clean.tokens) for each in prompts))
    parts = (prompts[start : start + size] for start in range(0, len(prompts), size))
    return np.concatenate([_look(adapter, part, movers) for part in parts], axis=-1)


def _look(adapter: ModelAdapter, prompts: Sequence[Named], movers: Sequence[Head]) -> Looks:
    batch = pad(adapter, [each.clean.tokens for each in prompts])
    io = torch.tensor([each.clean.places["io"] for each in prompts], device=adapter.device)
    rows = torch.arange(len(prompts), device=adapter.device)
    by_layer = {layer: [head for at, head in movers if at == layer] for layer, _ in movers}
    ablated: dict[int, Tensor] = {}
    weights: list[Tensor] = []

    def keep(at: AtLayer) -> None:
        if at.layer in by_layer:
            ablated[at.layer] = at.z

    def look(at: AtLayer) -> Tensor | None:
        seen = attention(adapter, batch, at.layer, at.q, at.k)
        weights.append(seen[rows, :, batch.last, io].T)
        if at.layer not in by_layer:
            return None
        z = at.z.clone()
        for head in by_layer[at.layer]:
            z[:, head] = ablated[at.layer][:, head]
        return z

    if movers:
        watched(adapter, pad(adapter, [each.corrupt.tokens for each in prompts]), keep)
    watched(adapter, batch, look)
    return torch.stack(weights).cpu().double().numpy()
