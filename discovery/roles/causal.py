"""How much the behaviour relies on each head: loss(head ablated) - loss(clean), on every pair.

By the exact engine, with all of a head's edges dropped. A *control* is the mean effect of random
heads alike in depth, where there are enough that are distinct.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.silence import silenced
from discovery.progress import Report, part
from discovery.tasks.base import TokenPair
from graph_schema.documents.role import LEAST_CONTROL_SETS
from graph_schema.errors import NonFiniteError

FLOOR = 0.02
"""Of the gap loss(∅) - loss(M): what a head must be worth, at the least, to play a role."""
MOST_CONTROL_SETS = 50
SMALL = 64
"""Of a model with more heads, those are ablated that have a role's pattern, and their controls."""

Head = tuple[int, int]
"""Layer and number in it."""


@dataclass(frozen=True)
class HeadEffects:
    """`rises` [layer, head, pair]: what ablating a head adds to each pair's loss; else NaN."""

    rises: NDArray[np.float64]

    @property
    def means(self) -> NDArray[np.float64]:
        """The effects [layer, head], mean over pairs."""
        return self.rises.mean(axis=-1)

    def of(self, head: Head) -> NDArray[np.float64]:
        return self.rises[head]


def head_effects(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    *,
    heads: Sequence[Head] | None = None,
    without: Sequence[Head] = (),
    chunk: int | None = None,
    progress: Report | None = None,
) -> HeadEffects:
    """The effect of each of `heads` (None: all) on each pair.

    `without` are ablated from the start, so effects are of what is left to do without them.

    Raises:
        NonFiniteError: An effect is NaN or infinite.
    """
    graph, shape = experiment.graph, experiment.adapter.shape
    wanted = list(np.ndindex(shape.n_layers, shape.n_heads)) if heads is None else list(heads)
    base = [graph.head_sender(*head) for head in without]
    sets = [base, *([*base, graph.head_sender(*head)] for head in wanted)]
    clean, *found = silenced_on(experiment, pairs, sets, chunk=chunk, progress=progress)
    rises = np.full((shape.n_layers, shape.n_heads, len(pairs)), np.nan)
    for head, loss in zip(wanted, found, strict=True):
        rises[head] = loss - clean
    if not all(np.isfinite(rises[head]).all() for head in wanted):
        raise NonFiniteError(experiment.describe_overflow(pairs))
    return HeadEffects(rises)


def silenced_on(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    sets: Sequence[Sequence[int]],
    *,
    chunk: int | None = None,
    progress: Report | None = None,
) -> NDArray[np.float64]:
    """The loss with all of a set's senders ablated [set, pair]."""
    found = np.zeros((len(sets), len(pairs)))
    chunks = experiment.chunks(pairs, chunk or experiment.fitting(pairs))
    for number, examples in enumerate(chunks):
        bench = experiment.bench(examples)
        report = None if progress is None else part(progress, number, len(chunks))
        losses = silenced(bench, sets, report).double().cpu().numpy()
        for row, loss in zip(found, losses, strict=True):
            np.add.at(row, bench.index, loss / experiment.ablator.draws)
    return found


@dataclass(frozen=True)
class Control:
    """The mean effect of so many random heads; None where fewer are alike than a control needs."""

    effect: float | None
    sets: int


def alike(n_layers: int, n_heads: int, head: Head, seed: int) -> list[Head]:
    """In random order, the other heads of up to an eighth of the model's layers away.

    Of a small model, those of the next layer.
    """
    reach = max(1, n_layers // 8)
    near = [
        (layer, other)
        for layer in range(max(0, head[0] - reach), min(n_layers, head[0] + reach + 1))
        for other in range(n_heads)
        if (layer, other) != head
    ]
    rng = np.random.default_rng([seed, *head])
    return [near[i] for i in rng.permutation(len(near))]


def control(means: NDArray[np.float64], head: Head, seed: int) -> Control:
    """What heads alike are worth, of those whose effect was measured.

    Args:
        means: Effects [layer, head], NaN where none was measured.
        head: What it is a control for.
        seed: Of the draw.
    """
    n_layers, n_heads = means.shape
    every = [means[each] for each in alike(n_layers, n_heads, head, seed)]
    drawn = [float(each) for each in every if np.isfinite(each)][:MOST_CONTROL_SETS]
    if len(drawn) < LEAST_CONTROL_SETS:
        return Control(None, len(drawn))
    return Control(float(np.mean(drawn)), len(drawn))


def worth_ablating(n_layers: int, n_heads: int, fitting: Collection[Head], seed: int) -> list[Head]:
    """The heads to ablate: all of a small model, else those that fit and the controls they need."""
    if n_layers * n_heads <= SMALL:
        return [(layer, head) for layer in range(n_layers) for head in range(n_heads)]
    controls: set[Head] = set()
    for head in sorted(fitting):
        near = [each for each in alike(n_layers, n_heads, head, seed) if each not in fitting]
        had = len(controls.intersection(near))
        more = (each for each in near if each not in controls)
        controls.update(islice(more, max(0, LEAST_CONTROL_SETS - had)))
    return sorted(controls.union(fitting))
