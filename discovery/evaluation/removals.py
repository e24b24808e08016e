"""What removing one edge does: of a circuit, and of a random walk added to the circuit.

Edges that are patched together are removed together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix, Graph
from discovery.engine.restart import Restart
from discovery.engine.state import State
from discovery.evaluation.measured import Measured
from discovery.evaluation.random_circuits import PATIENCE, Joint, PathSampler
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Figure
from graph_schema.intervals import HANGS_ON_ONE, ONE_GROUP, Bounds, joint_intervals

REDUNDANT = 0.01
"""An edge is redundant when f moves by less than this without it."""
Changes = NDArray[np.float64]
Removal = tuple[BoolMatrix, Sequence[Joint]]


def changes(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    removals: Sequence[Removal],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> Changes:
    """loss(kept set without an edge) - loss(kept set): [removed edge, pair], in the order given.

    A removal is a kept set with edges to take from it, one at a time. Only what hangs on an edge's
    receivers is computed again.
    """
    total = sum(len(edges) for _, edges in removals)
    found = np.zeros((total, len(pairs)))
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs))
    share = 1 / experiment.ablator.draws
    for number, examples in enumerate(chunks):
        bench, row = experiment.bench(examples), 0
        for kept, edges in removals:
            state = State(bench, kept, restartable=True)
            for sender, unit in edges:
                if progress:
                    progress(number * total + row, len(chunks) * total)
                with Restart(state, *unit) as restart:
                    before = restart.loss.double()
                    change = restart.without(sender).double() - before
                np.add.at(found[row], bench.index, share * change.cpu().numpy())
                row += 1
    return found


def edges_of(graph: Graph, kept: BoolMatrix) -> list[Joint]:
    """Every kept edge, receiver by receiver: a restart's plan is reused."""
    return [
        (sender, unit)
        for unit in graph.units
        for sender in np.flatnonzero(kept[:, unit[0]]).tolist()
    ]


def inflated(sampler: PathSampler, kept: BoolMatrix, rng: np.random.Generator) -> Removal | None:
    """The circuit with a random path added, and a random one of the new edges; None if none fits.

    None when the circuit holds every path that was drawn.
    """
    for _ in range(PATIENCE):
        new = [(sender, unit) for sender, unit in sampler.path(rng) if not kept[sender, unit[0]]]
        if new:
            larger = kept.copy()
            for sender, unit in new:
                larger[sender, unit] = True
            return larger, [new[int(rng.integers(len(new)))]]
    return None


def redundant_share(judge: Measured, effects: Changes, sizes: Sequence[int]) -> Figure:
    """The share of the circuit's edges whose removal changes f by less than 1 %.

    Its interval runs from the share of edges that are surely redundant to the share that may be:
    each edge's change of f has an interval over groups, and with 95 % they all hold at once.

    Args:
        judge: The split that effects were measured on.
        effects: [removal, pair].
        sizes: How many edges each removal takes away.
    """
    share = np.array(sizes) / sum(sizes)
    moved = effects.sum(axis=1) / judge.gap.sum()
    value = float(share[np.abs(moved) < REDUNDANT].sum())
    ends = joint_intervals(effects.T, judge.gap, judge.groups)
    if ends is None:
        why = ONE_GROUP if judge.n_groups < 2 else HANGS_ON_ONE
        return judge.figure(value, Bounds(None, None, why))
    low, high = ends
    surely = (low > -REDUNDANT) & (high < REDUNDANT)
    maybe = (low < REDUNDANT) & (high > -REDUNDANT)
    return judge.figure(value, Bounds(float(share[surely].sum()), float(share[maybe].sum())))
