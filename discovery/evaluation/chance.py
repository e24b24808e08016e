"""Circuits that know nothing of the behaviour, to compare a circuit's faithfulness with.

Random walks and paths have their own file (random_circuits.py). Here: as many edges between each
two layers as the circuit has; and the edges whose senders change most when ablated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.evaluation.measured import Measured
from discovery.methods.selection import top
from discovery.tasks.base import TokenPair
from graph_schema.documents import Chance, ChanceRule


def alike_by_layer(graph: Graph, kept: BoolMatrix, rng: np.random.Generator) -> BoolMatrix:
    """As many edges between each sender layer and receiver layer as `kept` has, else at random.

    Edges that are patched together are drawn together, as many groups as `kept` has. Dead ends are
    left in: trimming them would leave fewer edges than the circuit has.
    """
    senders, receivers = graph.edges
    leads = np.flatnonzero(graph.lead[receivers] == receivers)
    senders, receivers = senders[leads], receivers[leads]
    places, sizes = graph.n_layers + 2, np.bincount(graph.lead)[receivers]
    # From 0, for the inputs, to n_layers + 1, for the logits.
    pair = (graph.sender_layers[senders] + 1) * places + graph.receiver_layers[receivers] + 1
    alike = sizes * places**2 + pair
    chosen = kept[senders, receivers]
    drawn = np.zeros((graph.n_senders, graph.n_receivers), dtype=np.intp)
    for which in np.unique(alike[chosen]):
        members = np.flatnonzero(alike == which)
        taken = rng.choice(members, int(chosen[members].sum()), replace=False)
        drawn[senders[taken], receivers[taken]] = 1
    return graph.joint(drawn) > 0


@torch.no_grad()
def activation_differences(
    experiment: Experiment, pairs: Sequence[TokenPair], *, chunk: int | None = None
) -> NDArray[np.float64]:
    """How far each sender's write is from its ablated one: the norm, mean over real positions."""
    graph, size = experiment.graph, chunk or experiment.fitting(pairs)
    total, count = np.zeros(graph.n_senders), 0
    for examples in experiment.chunks(pairs, size):
        ready = experiment.ready(examples)
        # The engine would leave out what no metric reads, as the last MLP's other positions.
        clean = ready.window.run(experiment.dtype).writes
        moved: Float[Tensor, "sender batch pos"] = (clean - ready.ablated).norm(dim=-1)
        # Before the window nothing differs.
        real = ready.window.batch.attention_mask
        total += (moved.cpu().double() * real.cpu()).sum((1, 2)).numpy()
        count += int(ready.batch.attention_mask.sum())
    return total / count


def by_activation_difference(
    graph: Graph, differences: NDArray[np.float64], n_edges: int, rng: np.random.Generator
) -> BoolMatrix:
    """The `n_edges` edges with the largest activation difference of their sender, trimmed.

    A sender's edges are all alike to this rule; which of them come first is drawn.
    """
    order = rng.permutation(graph.n_edges)
    scores = np.empty(graph.n_edges, dtype=np.float32)
    # Ranks, so that a random order among equals does not disturb the order of senders.
    sizes = differences[graph.edges[0]]
    scores[np.lexsort((order, -sizes))] = np.arange(graph.n_edges, 0, -1)
    return top(graph, scores, n_edges, "abs")


def compared(
    rule: ChanceRule, measured: Measured, kept: BoolMatrix, others: Sequence[BoolMatrix]
) -> Chance:
    """Faithfulness of `others`, which were measured, beside the circuit's."""
    found = [measured.faithfulness(other) for other in others]
    return Chance(
        rule=rule,
        n=len(found),
        n_edges=float(np.mean([other.sum() for other in others])),
        mean=float(np.mean(found)),
        low=min(found),
        high=max(found),
        n_at_least=sum(value >= measured.faithfulness(kept) for value in found),
        split=measured.split,
    )
