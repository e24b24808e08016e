"""EAP with integrated gradients, Hanna et al. 2024, arXiv:2403.17806.

The gradient that meets a sender's difference is averaged along a path from ablated to clean:

* over `inputs`, the embeddings move and the model follows. Cost in passes a chunk, with m steps:
  one ablated and one clean forward, m forwards and backwards;
* over `activations`, the sender's own write moves: what is before it stays clean, what is after it
  follows. With many steps a sender's scores sum over its receivers to what ablating its whole write
  does to the loss. Cost: one ablated and one clean forward, then for every sender m forwards and
  backwards from its layer on.

The reference code (EAP-IG-activations) moves all heads of a layer at once and gives every edge the
mean gradient over the paths of *all* layers, so that most of an edge's path leaves its sender
alone. We follow each sender's own path, for which the sum above holds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np
from einops import einsum
from numpy.typing import NDArray

from discovery.engine.ablation import Example
from discovery.engine.experiment import Experiment
from discovery.engine.forward import Run, inputs, run
from discovery.methods.attribution import ChunkScores, Parts, contract, mean_scores
from discovery.methods.tape import Difference, Pinned, Tape
from discovery.tasks.base import TokenPair
from graph_schema.documents import EapIg


def eap_ig(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    method: EapIg,
    *,
    chunk: int = 8,
    progress: Callable[[int, int], None] | None = None,
    per_pair: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Every edge's score with gradients averaged over `method.steps` points of a path.

    The path runs from ablated values (the corrupt ones, under `corrupt`) to clean ones. Mean over
    pairs, in the metric's units, in the order of the edge list; positive where the behaviour relies
    on the edge. `per_pair` [pair, edge], zeros, receives each pair's own scores.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    over_inputs = method.over == "inputs"
    return mean_scores(
        experiment,
        pairs,
        _over_inputs(experiment, method) if over_inputs else _over_activations(experiment, method),
        n_steps=method.steps,
        n_yields=method.steps if over_inputs else experiment.graph.n_senders,
        chunk=chunk,
        progress=progress,
        per_pair=per_pair,
    )


def _over_inputs(experiment: Experiment, method: EapIg) -> ChunkScores:
    adapter, graph = experiment.adapter, experiment.graph

    def of_chunk(examples: Sequence[Example], parts: Parts) -> Generator[None]:
        ready = experiment.ready(examples)
        first = inputs(adapter, ready.batch)
        clean = run(adapter, graph, ready.batch, experiment.dtype)
        objective = experiment.objective(ready, clean)
        difference = ready.ablated.sub_(clean.writes)
        to_ablated = difference[: graph.n_inputs].to(first.dtype)
        begin = 0 if method.endpoint == "corrupt" else 1
        for k in range(begin, begin + method.steps):
            at = first + to_ablated * (1 - k / method.steps)
            tape = Tape(adapter, graph, ready.batch, at.sum(0))
            moved = tape.through_post_norms(difference)
            parts += contract(tape.gradients(objective), moved, graph, len(parts)).cpu().double()
            yield

    return of_chunk


def _over_activations(experiment: Experiment, method: EapIg) -> ChunkScores:
    graph = experiment.graph

    def of_chunk(examples: Sequence[Example], parts: Parts) -> Generator[None]:
        paths = _Paths(experiment, examples)
        for sender in range(graph.n_senders):
            for k in range(1, method.steps + 1):
                paths.add(sender, 1 - k / method.steps, parts)
            yield

    return of_chunk


class _Paths:
    """Every sender's path on a chunk: its clean write, and how far the ablated one is from it."""

    def __init__(self, experiment: Experiment, examples: Sequence[Example]) -> None:
        self._adapter, self._graph = experiment.adapter, experiment.graph
        ready = experiment.ready(examples)
        self._batch = ready.batch
        first = inputs(self._adapter, ready.batch)
        ablated = ready.ablated.clone()
        self._difference: Difference = ready.ablated
        self._difference[: self._graph.n_inputs] -= first
        tape = Tape(self._adapter, self._graph, ready.batch, first.sum(0), less=self._difference)
        self._clean = ablated - self._difference
        self._streams = tape.streams
        self._objective = experiment.objective(ready, Run(self._clean, tape.resid))

    def add(self, sender: int, share: float, parts: Parts) -> None:
        """Add a sender's scores with its write moved this share of the way to its ablated one."""
        graph, dtype = self._graph, self._adapter.dtype
        step = self._difference[sender]
        layer, pinned = 0, None
        if sender < graph.n_inputs:
            stream = self._streams[0] + (step * share).to(dtype)
        else:
            layer = (sender - graph.n_inputs) // (graph.n_heads + 1)
            write = (self._clean[sender] + step * share).to(dtype)
            stream, pinned = self._streams[layer], Pinned(sender, write)
        tape = Tape(self._adapter, graph, self._batch, stream, begin=layer, pinned=pinned)
        (moved,) = tape.through_post_norm(sender, step[None])
        for each in tape.gradients(self._objective):
            found = einsum(
                moved,
                each.grad.to(moved.dtype),
                "batch pos d_model, receiver batch pos d_model -> batch receiver",
            )
            if len(parts) == 1:
                found = found.sum(0, keepdim=True)
            parts[:, sender, each.receivers] += found.cpu().double()
