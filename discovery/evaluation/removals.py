"""What removing one edge does: of a circuit, and of a random path added to the circuit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.evaluation.quick import Measured
from discovery.evaluation.random_circuits import PATIENCE, PathSampler
from discovery.tasks.base import TokenPair
from graph_schema.documents import Figure

REDUNDANT = 0.01
"""An edge is redundant when f moves by less than this without it."""
Changes = NDArray[np.float64]
Report = Callable[[int, int], None]
Removal = tuple[BoolMatrix, Sequence[tuple[int, int]]]


def changes(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    removals: Sequence[Removal],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> Changes:
    """loss(kept set without an edge) - loss(kept set): [removed edge, pair], in the order given.

    A removal is a kept set with edges (sender, receiver) to take from it, one at a time. Only what
    hangs on an edge's receiver is computed again.
    """
    total = sum(len(edges) for _, edges in removals)
    found = np.zeros((total, len(pairs)))
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs))
    share = 1 / experiment.ablator.draws
    for number, examples in enumerate(chunks):
        bench, row = experiment.bench(examples), 0
        for kept, edges in removals:
            state = State(bench, kept, restartable=True)
            for sender, receiver in edges:
                if progress:
                    progress(number * total + row, len(chunks) * total)
                with Restart(state, receiver) as restart:
                    before = restart.loss.double()
                    change = restart.without(sender).double() - before
                np.add.at(found[row], bench.index, share * change.cpu().numpy())
                row += 1
    return found


def edges_of(kept: BoolMatrix) -> list[tuple[int, int]]:
    """(sender, receiver) of every kept edge, receiver by receiver: a restart's plan is reused."""
    receivers, senders = np.nonzero(kept.T)
    return [(int(s), int(r)) for s, r in zip(senders, receivers, strict=True)]


def inflated(sampler: PathSampler, kept: BoolMatrix, rng: np.random.Generator) -> Removal | None:
    """The circuit with a random path added, and a random one of the new edges; None if none fits.

    None when the circuit holds every path that was drawn.
    """
    for _ in range(PATIENCE):
        new = [edge for edge in sampler.path(rng) if not kept[edge]]
        if new:
            larger = kept.copy()
            for edge in new:
                larger[edge] = True
            return larger, [new[int(rng.integers(len(new)))]]
    return None


def redundant_share(judge: Measured, effects: Changes) -> Figure:
    """The share of the circuit's edges whose removal changes f by less than 1 %."""
    gap = judge.gap
    value = float((np.abs(effects.sum(axis=1) / gap.sum()) < REDUNDANT).mean())
    gaps, count = judge.bootstrap.sums(gap), np.zeros(len(judge.bootstrap.sums(gap)))
    for start in range(0, len(effects), 1000):
        moved = judge.bootstrap.sums(effects[start : start + 1000].T)
        with np.errstate(divide="ignore", invalid="ignore"):
            count += (np.abs(moved / gaps[:, None]) < REDUNDANT).sum(axis=1)
    return judge.figure(value, count / len(effects))
