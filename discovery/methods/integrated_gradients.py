"""EAP with integrated gradients, Hanna et al. 2024, arXiv:2403.17806.

The gradient that meets a sender's difference is averaged along paths from ablated to clean:

* over `inputs`, the embeddings move and the model follows. Cost in passes a chunk, with m steps:
  one ablated and one clean forward, m forwards and backwards;
* over `activations` (the authors' EAP-IG-activations), what is moved is in turn the input, every
  layer's heads together and every layer's MLP, by m steps each, k = 1 ... m. What is before stays
  clean, what is after follows, no gradient flows through what is moved, and *every* edge gets the
  mean gradient of *all* these paths, also of those that leave its sender alone. So a sender's
  scores sum to no effect of its own.

Moving a sublayer changes nothing before it, so a path runs the model from there on alone, and the
gradients that leave all paths towards the lower layers go down together: with L layers an ablated
and a clean forward (with `kl` two), one backward, and (2L + 1) m forwards and backwards, of half
the model on average but for the input's.

Where we depart from the authors' code over activations: under ablations other than `corrupt` a
path starts at the ablated value (theirs starts at zero, whatever the ablation), separate
embeddings move together, and in families with post-norms it is the raw write that moves and
differences go through the norms' Jacobians (theirs meet the gradient as they are).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from discovery.engine.ablation import Example
from discovery.engine.experiment import Experiment
from discovery.engine.forward import inputs
from discovery.engine.graph import Graph
from discovery.methods.attribution import ChunkScores, Parts, contract, mean_scores
from discovery.methods.tape import Stream, Tape
from discovery.models import Sublayer
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import EapIg
from graph_schema.errors import SpecError

SUBLAYERS: tuple[Sublayer, ...] = ("attn", "mlp")


def eap_ig(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    method: EapIg,
    *,
    chunk: int | None = None,
    progress: Report | None = None,
    per_pair: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Every edge's score with gradients averaged over `method.steps` points of one or more paths.

    A path runs from ablated values (the corrupt ones, under `corrupt`) to clean ones. Mean over
    pairs, in the metric's units, in the order of the edge list; positive where the behaviour relies
    on the edge. `per_pair` [pair, edge], zeros, receives each pair's own scores.

    Raises:
        NonFiniteError: A score is NaN or infinite.
        SpecError: The method is of a version that is no longer computed.
    """
    over_inputs = method.over == "inputs"
    if not over_inputs and method.version == 1:
        raise SpecError(
            "eap-ig over activations of version 1 (each sender on a path of its own) is no longer "
            "computed; submit the job again for version 2, the published score"
        )
    n_paths = 1 if over_inputs else 1 + len(SUBLAYERS) * experiment.graph.n_layers
    return mean_scores(
        experiment,
        pairs,
        _over_inputs(experiment, method) if over_inputs else _over_activations(experiment, method),
        n_steps=n_paths * method.steps,
        chunk=chunk,
        progress=progress,
        per_pair=per_pair,
    )


def _over_inputs(experiment: Experiment, method: EapIg) -> ChunkScores:
    adapter, graph = experiment.adapter, experiment.graph

    def of_chunk(examples: Sequence[Example], parts: Parts) -> Generator[None]:
        ready = experiment.ready(examples)
        first = inputs(adapter, ready.window.batch)
        clean = ready.window.run(experiment.dtype)
        objective = experiment.objective(ready, clean)
        difference = ready.ablated.sub_(clean.writes)
        to_ablated = difference[: graph.n_inputs].to(first.dtype)
        begin = 0 if method.endpoint == "corrupt" else 1
        for k in range(begin, begin + method.steps):
            at = first + to_ablated * (1 - k / method.steps)
            tape = Tape(adapter, graph, ready.window, at.sum(0))
            moved = tape.through_post_norms(difference)
            parts += contract(tape.gradients(objective), moved, graph, len(parts)).cpu().double()
            yield

    return of_chunk


def _over_activations(experiment: Experiment, method: EapIg) -> ChunkScores:
    adapter, graph = experiment.adapter, experiment.graph
    shares = [1 - k / method.steps for k in range(1, method.steps + 1)]

    def of_chunk(examples: Sequence[Example], parts: Parts) -> Generator[None]:
        ready = experiment.ready(examples)
        objective = experiment.objective(ready)
        first = inputs(adapter, ready.window.batch)
        # Ablated minus clean, in the memory of the ablated writes.
        difference = ready.ablated
        difference[: graph.n_inputs] -= first
        clean = Tape(adapter, graph, ready.window, first.sum(0), less=difference)
        past_norms = clean.through_post_norms(difference)

        def sweep(tape: Tape) -> Tape:
            found = tape.through_post_norms(difference, past_norms)
            gradients = tape.gradients(objective)
            parts.add_(contract(gradients, found, graph, len(parts)).cpu().double())
            return tape

        step = difference[: graph.n_inputs].sum(0)
        for share in shares:
            moved = (first.sum(0) + share * step).to(first.dtype)
            sweep(Tape(adapter, graph, ready.window, moved))
            yield
        beside: dict[tuple[int, Sublayer], Stream] = {}
        for layer, sublayer in product(range(graph.n_layers), SUBLAYERS):
            step = difference[_senders(graph, layer, sublayer)].sum(0)
            for share in shares:
                grad = sweep(clean.moved(layer, sublayer, share * step)).grad
                beside[layer, sublayer] = beside.get((layer, sublayer), 0) + grad
                yield
        below = clean.gradients_from(beside)
        parts.add_(contract(below, past_norms, graph, len(parts)).cpu().double())

    return of_chunk


def _senders(graph: Graph, layer: int, sublayer: Sublayer) -> slice:
    if sublayer == "attn":
        return graph.head_senders(layer)
    return slice(graph.mlp_sender(layer), graph.mlp_sender(layer) + 1)
