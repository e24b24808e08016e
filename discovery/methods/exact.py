"""The oracle: an edge test of every edge, each patched alone, by the engine's restarts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.methods.attribution import check_finite
from discovery.progress import LAYOUT, Checkpoint, NoCheckpoint, Pace, Report, same_layout
from discovery.tasks.base import TokenPair


def exact(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    only: BoolMatrix | None = None,
    chunk: int | None = None,
    progress: Report | None = None,
    checkpoint: Checkpoint | None = None,
    per_pair: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """loss(edge ablated) - loss(clean) of every edge, the rest kept; mean over pairs.

    One float32 an edge, in the order of the edge list. Each test runs only what is downstream of
    the edge; edges into receivers that are patched together are tested together. A run that was
    interrupted goes on from its checkpoint, which must be of the same request.

    Args:
        experiment: Model, metric and ablation.
        pairs: What the mean is over.
        only: Test these edges alone; the others get 0.
        chunk: Examples at a time.
        progress: Told (done, total) tests of receivers.
        checkpoint: Where what is done is kept.
        per_pair: [pair, edge], zeros; receives each pair's own scores.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    graph, checkpoint = experiment.graph, checkpoint or NoCheckpoint()
    wanted = graph.upstream if only is None else only
    total, first = np.zeros((graph.n_senders, graph.n_receivers)), 0
    # Work is counted in (chunk, unit); another chunk size would count otherwise. How much fits may
    # be another number now.
    saved = checkpoint.load("exact")
    if saved is not None and not (same_layout(saved) and chunk in (None, int(saved["chunk"]))):
        saved = None
    size = chunk or (int(saved["chunk"]) if saved else experiment.fitting(pairs))
    chunks = experiment.chunks(pairs, size)
    if saved is not None:
        total, first = saved["total"].astype(np.float64), int(saved["done"])
        if per_pair is not None:
            per_pair[:] = saved["per_pair"]
    number_of = graph.to_matrix(np.arange(graph.n_edges))
    share = 1 / experiment.ablator.draws
    pace, n_all = Pace(), len(chunks) * len(graph.units)
    for number, examples in enumerate(chunks):
        if (number + 1) * len(graph.units) <= first:
            continue
        bench = experiment.bench(examples)
        state = State(bench, graph.upstream, restartable=True)
        for done, unit in enumerate(graph.units, number * len(graph.units)):
            senders = np.flatnonzero(wanted[:, unit[0]]).tolist()
            if done < first or not senders:
                continue
            if progress:
                progress(done, n_all)
            with Restart(state, *unit) as restart:
                losses = restart.each(senders).double() - restart.loss.double()
                for sender, rise in zip(senders, losses.cpu().numpy(), strict=True):
                    total[sender, unit] += rise.sum()
                    if per_pair is not None:
                        for edge in number_of[sender, unit]:
                            np.add.at(per_pair[:, edge], bench.index, share * rise)
            if pace.due():
                so_far = {"total": total, "done": done + 1, "chunk": size, "layout": LAYOUT}
                so_far |= {} if per_pair is None else {"per_pair": per_pair}
                checkpoint.save("exact", {k: np.asarray(v) for k, v in so_far.items()})
                pace.saved()
    n_examples = sum(len(examples) for examples in chunks)
    scores = graph.to_list(total / n_examples).astype(np.float32)
    check_finite(graph, scores)
    return scores
