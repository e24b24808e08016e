"""The oracle: every edge patched alone, by the engine's restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.attribution import check_finite
from discovery.bench import Experiment
from discovery.engine import State
from discovery.progress import Checkpoint, NoCheckpoint
from discovery.tasks.base import TokenPair

SAVE_EVERY = 60.0
"""Seconds between checkpoints."""


def exact(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> NDArray[np.float32]:
    """loss(edge ablated) - loss(clean) of every edge, the rest kept; mean over pairs.

    One float32 an edge, in the order of the edge list. Each test runs only what is downstream of
    the edge. A run that was interrupted goes on from its checkpoint.

    Raises:
        NonFiniteError: A score is NaN or infinite.
    """
    graph, checkpoint = experiment.graph, checkpoint or NoCheckpoint()
    size = chunk or experiment.fitting(pairs)
    chunks = experiment.chunks(pairs, size)
    total, first = np.zeros((graph.n_senders, graph.n_receivers)), 0
    # Work is counted in (chunk, receiver); another chunk size would count otherwise.
    if (saved := checkpoint.load("exact")) is not None and int(saved["chunk"]) == size:
        total, first = saved["total"].astype(np.float64), int(saved["done"])
    saved_at, n_all = time.monotonic(), len(chunks) * graph.n_receivers
    for number, examples in enumerate(chunks):
        if (number + 1) * graph.n_receivers <= first:
            continue
        state = State(experiment.bench(examples), graph.upstream, restartable=True)
        for receiver in range(graph.n_receivers):
            done = number * graph.n_receivers + receiver
            if done < first:
                continue
            if progress:
                progress(done, n_all)
            with state.restart(receiver) as restart:
                clean = float(restart.loss.double().sum())
                for sender in range(int(graph.n_upstream[receiver])):
                    total[sender, receiver] += float(restart.without(sender).double().sum()) - clean
            if time.monotonic() - saved_at > SAVE_EVERY:
                state_of_work = {"total": total, "done": done + 1, "chunk": size}
                checkpoint.save("exact", {k: np.asarray(v) for k, v in state_of_work.items()})
                saved_at = time.monotonic()
    n_examples = sum(len(examples) for examples in chunks)
    scores = graph.to_list(total / n_examples).astype(np.float32)
    check_finite(graph, scores)
    return scores
