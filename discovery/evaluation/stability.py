"""Would the same method keep the same edges on other pairs? Resampling by groups of pairs.

Mean scores of a resample are weighted means of the groups' scores, so attribution runs once, group
by group, and no draw runs the model; not even that where the job keeps each pair's scores. That
holds for methods whose score of an edge is a mean over pairs; ACDC's decisions are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix, Graph
from discovery.methods.selection import Scores, select
from discovery.tasks.base import TokenPair
from graph_schema.documents import AnySelection, Stability

DRAWS = 200
HALVES = 20
MOST_GROUPS = 256
"""More groups than these are dealt into as many blocks, which are resampled instead."""
MOST_COMPARED = 12
"""Circuits of this many groups, drawn, are compared with one another."""

ScorePairs = Callable[[Sequence[TokenPair]], Scores]


@dataclass(frozen=True)
class GroupScores:
    """Each group's mean scores [group, edge], and how many pairs it has."""

    scores: NDArray[np.float32]
    sizes: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Sequence[TokenPair], score: ScorePairs) -> GroupScores:
        """Score the groups one by one; `score` gives the mean over the pairs it is given."""
        groups = _groups(pairs)
        scores = np.stack([score([pairs[i] for i in group]) for group in groups])
        return cls(scores, np.array([len(group) for group in groups], dtype=np.float64))

    @classmethod
    def of_pairs(cls, pairs: Sequence[TokenPair], per_pair: NDArray[np.float32]) -> GroupScores:
        """The same from each pair's own scores [pair, edge], without running the model."""
        groups = _groups(pairs)
        scores = np.stack([per_pair[group].mean(axis=0) for group in groups])
        return cls(scores, np.array([len(group) for group in groups], dtype=np.float64))

    @property
    def n(self) -> int:
        return len(self.sizes)

    def mean(self, counts: NDArray[np.float64]) -> Scores:
        """Scores of a resample that has each group `counts` times."""
        weights = counts * self.sizes
        return ((weights / weights.sum()) @ self.scores).astype(np.float32)


def _groups(pairs: Sequence[TokenPair]) -> list[NDArray[np.intp]]:
    """The numbers of the pairs of each group."""
    _, member = np.unique([pair.group for pair in pairs], return_inverse=True)
    member = member % MOST_GROUPS
    return [np.flatnonzero(member == group) for group in range(int(member.max()) + 1)]


@dataclass(frozen=True)
class EdgeStability:
    """Per edge, in the order of the edge list: how often kept, how often with the same sign."""

    frequency: NDArray[np.float64]
    sign: NDArray[np.float64]
    figures: Stability


def stability(
    graph: Graph, groups: GroupScores, kept: BoolMatrix, selection: AnySelection, *, seed: int
) -> EdgeStability:
    """How the circuit that `selection` makes of the scores varies with the groups."""
    rng = np.random.default_rng(seed)

    def circuit(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
        return graph.to_list(select(graph, groups.mean(counts), selection).kept)

    whole = np.sign(groups.mean(np.ones(groups.n)))
    frequency, sign = np.zeros(graph.n_edges), np.zeros(graph.n_edges)
    for _ in range(DRAWS):
        drawn = rng.integers(0, groups.n, groups.n)
        counts = np.bincount(drawn, minlength=groups.n).astype(np.float64)
        frequency += circuit(counts) / DRAWS
        sign += (np.sign(groups.mean(counts)) == whole) / DRAWS
    halves: list[float] = []
    for _ in range(HALVES):
        first = np.zeros(groups.n)
        first[rng.permutation(groups.n)[: groups.n // 2]] = 1
        halves.append(jaccard(circuit(first), circuit(1 - first)))
    chosen = rng.permutation(groups.n)[:MOST_COMPARED]
    alone = [circuit(np.eye(groups.n)[group]) for group in chosen]
    mine = graph.to_list(kept)
    figures = Stability(
        draws=DRAWS,
        n_groups=groups.n,
        seed=seed,
        frequency=float(frequency[mine].mean()),
        sign_stability=float(sign[mine].mean()),
        jaccard_halves=float(np.mean(halves)),
        jaccard_groups=float(np.mean([jaccard(a, b) for a, b in combinations(alone, 2)])),
    )
    return EdgeStability(frequency, sign, figures)


def jaccard(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Edges of both by edges of either; 1 for two empty circuits."""
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0
