"""What circuits measure on every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Bench, Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.metrics import accuracy, rank
from discovery.engine.state import State
from discovery.progress import Report
from discovery.tasks.base import TokenPair


def values(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    circuits: Sequence[BoolMatrix],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> list[Values]:
    """Each circuit's loss, accuracy and rank on every pair; work for a chunk is shared."""
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs))
    found = [Values.of(len(pairs)) for _ in circuits]
    for number, examples in enumerate(chunks):
        bench = experiment.bench(examples)
        share = 1 / experiment.ablator.draws
        for which, kept in enumerate(circuits):
            if progress:
                progress(number * len(circuits) + which, len(chunks) * len(circuits))
            found[which].add(bench, State(bench, kept), share)
    return found


@dataclass(frozen=True)
class Values:
    """One value a pair, averaged over the draws of its ablation."""

    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    rank: NDArray[np.float64]

    @classmethod
    def of(cls, n: int) -> Values:
        return cls(np.zeros(n), np.zeros(n), np.zeros(n))

    def add(self, bench: Bench, state: State, share: float) -> None:
        target, logits = bench.objective.target, state.logits
        for into, each in (
            (self.loss, state.loss),
            (self.accuracy, accuracy(logits, target)),
            (self.rank, rank(logits, target)),
        ):
            np.add.at(into, bench.index, share * each.cpu().double().numpy())
