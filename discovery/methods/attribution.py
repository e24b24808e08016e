"""Attribution patching: every edge's score from gradients.

An edge's score estimates loss(edge ablated) - loss(clean) by the first-order term: what patching
changes in the sender's write (`difference` = ablated - clean), times the gradient of the loss
with respect to what the receiver reads. Methods differ in where they take the gradient: `eap.py`
at the clean run, `integrated_gradients.py` along a path. Here is what they share: one matrix
product of all senders' differences with the gradient of a receiver kind (`contract`), and the mean
over pairs (`mean_scores`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from discovery.engine.ablation import Example
from discovery.engine.experiment import Experiment
from discovery.engine.graph import Graph
from discovery.methods.tape import Difference, Gradient
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Component
from graph_schema.errors import NonFiniteError

Parts = Float[Tensor, "part sender receiver"]
"""Scores summed over examples: over all of a chunk (one part), or each example its own."""

ChunkScores = Callable[[Sequence[Example], Parts], Generator[None]]
"""Adds a chunk's scores to the parts given; yields after every step of its work."""


def contract(
    gradients: Iterable[Gradient], difference: Difference, graph: Graph, n_parts: int
) -> Parts:
    """Difference times gradient for every edge, summed over positions.

    Over examples as well where `n_parts` is 1; else there is a part an example. What stands where
    no edge is means nothing.
    """
    where = "1 %s (batch pos d_model)" if n_parts == 1 else "batch %s (pos d_model)"
    flat = rearrange(difference, "sender batch pos d_model -> " + where % "sender")
    scores = flat.new_zeros(n_parts, graph.n_senders, graph.n_receivers)
    for each in gradients:
        grad = each.grad.to(flat.dtype)
        columns = rearrange(grad, "receiver batch pos d_model -> " + where % "receiver")
        n = each.n_upstream
        scores[:, :n, each.receivers] = flat[:, :n] @ columns.mT
    return scores


def mean_scores(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    of_chunk: ChunkScores,
    *,
    n_steps: int = 1,
    chunk: int | None = None,
    progress: Report | None = None,
    per_pair: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The mean of `of_chunk` over pairs and the `n_steps` gradients that it adds up.

    In the order of the edge list. `per_pair` [pair, edge], zeros, receives each pair's own scores.
    `of_chunk` yields after each of them. `chunk` examples at a time, else as many as fit.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    graph = experiment.graph
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs, tape=True))
    total, done, n_examples = np.zeros((graph.n_senders, graph.n_receivers)), 0, 0
    for examples in chunks:
        n_parts = 1 if per_pair is None else len(examples)
        parts = torch.zeros(n_parts, *total.shape, dtype=torch.float64)
        for _ in of_chunk(examples, parts):
            done += 1
            if progress:
                progress(done, len(chunks) * n_steps)
        found = graph.joint(parts.numpy() / n_steps)
        total += found.sum(0)
        if per_pair is not None:
            share = 1 / experiment.ablator.draws
            index = [example.index for example in examples]
            np.add.at(per_pair, index, share * found[:, *graph.edges].astype(np.float32))
        n_examples += len(examples)
    scores = graph.to_list(total / n_examples).astype(np.float32)
    check_finite(graph, scores)
    return scores


def check_finite(graph: Graph, scores: NDArray[np.float32]) -> None:
    """Refuse scores with a NaN or an infinity, naming the first receiver that has one.

    Raises:
        NonFiniteError: There is one.
    """
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        senders, receivers = graph.edges
        edge = graph.edge(int(senders[bad[0]]), int(receivers[bad[0]]))
        layer = Component.parse(edge.receiver).layer
        where = "after the last layer" if layer is None else f"in layer {layer}"
        raise NonFiniteError(
            f"{len(bad)} of {len(scores)} scores are not finite, the first at {edge.name} "
            f"({where}); look for a weight or an activation too large for float32"
        )
