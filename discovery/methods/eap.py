"""Edge attribution patching, Syed et al. 2023, arXiv:2310.10348.

The gradient is that of the clean run. Cost in passes a chunk: one ablated forward, one clean
forward and backward. (`mean` takes its averages once for all; `zero` needs no ablated forward.)
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.ablation import Example
from discovery.engine.experiment import Experiment
from discovery.engine.forward import inputs
from discovery.engine.metrics import Objective
from discovery.methods.attribution import Parts, contract, mean_scores
from discovery.methods.tape import Tape
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Metric


def eap(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
    per_pair: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Every edge's score by edge attribution patching.

    Mean over pairs, in the metric's units, in the order of the edge list; positive where the
    behaviour relies on the edge. Against the exact effect of patching it is off by curvature.
    `per_pair` [pair, edge], zeros, receives each pair's own scores.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    assert experiment.metric is not Metric.KL, "the spec refuses eap with kl: no gradient at clean"
    adapter, graph = experiment.adapter, experiment.graph

    def of_chunk(examples: Sequence[Example], parts: Parts) -> Generator[None]:
        ready = experiment.ready(examples)
        first = inputs(adapter, ready.window.batch)
        # Ablated minus clean, in the memory of the ablated writes.
        difference = ready.ablated
        difference[: graph.n_inputs] -= first
        tape = Tape(adapter, graph, ready.window, first.sum(0), less=difference)
        difference = tape.through_post_norms(difference)
        gradients = tape.gradients(Objective(experiment.metric, ready.target))
        parts += contract(gradients, difference, graph, len(parts)).cpu().double()
        yield

    return mean_scores(
        experiment, pairs, of_chunk, chunk=chunk, progress=progress, per_pair=per_pair
    )
