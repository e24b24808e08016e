"""How far two circuits of one model agree: shared things, scores of the same edges, same pairs.

Pure functions on names and numbers. Pearson's correlation assumes that both circuits score in the
same units, so `Comparison.differs` is to be read with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graph_schema.documents.comparison import (
    Overlap,
    PairDifference,
    PairDifferences,
    ScoreAgreement,
)
from graph_schema.documents.dataset import Split
from graph_schema.errors import SpecError
from graph_schema.intervals import Bounds, group_interval

Scores = Mapping[str, float]
Floats = NDArray[np.float64]

LARGEST = 10
NO_GROUPS = "the stored figures of the pairs do not name their groups"


class PairMetric(NamedTuple):
    """The metric of one pair within a circuit; `group` is None where it was not stored."""

    value: float
    split: Split
    group: str | None


PairMetrics = Mapping[str, PairMetric]


def overlap(a: Iterable[str], b: Iterable[str], universe: int | None) -> Overlap:
    """What `a` and `b` share; `universe` is the number of things they were drawn from."""
    first, second = set(a), set(b)
    both, either = len(first & second), len(first | second)
    if universe is not None and either > universe:
        raise SpecError(f"{either} different things in a universe of {universe}")
    return Overlap(
        n_a=len(first),
        n_b=len(second),
        n_both=both,
        universe=universe,
        jaccard=both / either if either else None,
        expected=len(first) * len(second) / universe if universe else None,
        p=_hypergeometric(universe, len(first), len(second), both) if universe else None,
    )


def _hypergeometric(universe: int, n_a: int, n_b: int, n_both: int) -> float:
    """P(X >= n_both), X what a set of n_b drawn evenly shares with a fixed one of n_a."""
    from scipy.stats import hypergeom  # takes most of a second to import

    return float(hypergeom.sf(n_both - 1, universe, n_a, n_b))


def score_agreement(a: Scores, b: Scores) -> ScoreAgreement:
    """How far two scorings of the same edges agree, on the edges in both."""
    names = sorted(a.keys() & b.keys())
    from scipy.stats import rankdata  # takes most of a second to import

    one = np.array([a[name] for name in names], dtype=np.float64)
    two = np.array([b[name] for name in names], dtype=np.float64)
    return ScoreAgreement(
        n=len(names),
        pearson=_correlation(one, two),
        spearman=_correlation(rankdata(one), rankdata(two)),
        same_sign=float((np.sign(one) == np.sign(two)).mean()) if names else None,
    )


def _correlation(one: Floats, two: Floats) -> float | None:
    """Pearson's; None for fewer than three values, or where one of them never changes."""
    if len(one) < 3:
        return None
    # Scaled first, so that very large or small scores neither overflow nor vanish when squared.
    parts: list[Floats] = []
    for values in (one, two):
        scaled = values / (np.abs(values).max() or 1.0)
        centred = scaled - scaled.mean()
        if np.abs(centred).max() < 1e-12:
            return None
        parts.append(centred / np.linalg.norm(centred))
    return float(np.clip(parts[0] @ parts[1], -1.0, 1.0))


def pair_differences(a: PairMetrics, b: PairMetrics, *, seed: int = 0) -> PairDifferences | None:
    """What the metric of each pair in both is in b less in a; None if they share no pair.

    On the held-out pairs, which neither circuit was found on; on the discovery pairs only where
    there are no others.
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        return None
    heldout = [name for name in shared if a[name].split is b[name].split is Split.HELDOUT]
    names = heldout or shared
    differences = np.array([b[name].value - a[name].value for name in names])
    groups = [a[name].group or b[name].group for name in names]
    named = [group for group in groups if group is not None]
    low, high, reason = (
        group_interval(differences, named, seed=seed)
        if len(named) == len(names)
        else Bounds(None, None, NO_GROUPS)
    )
    order = np.argsort(-np.abs(differences), kind="stable")[:LARGEST].tolist()
    return PairDifferences(
        split=Split.HELDOUT if heldout else Split.DISCOVERY,
        n=len(names),
        n_groups=len(set(named)) if len(named) == len(names) else None,
        mean=float(differences.mean()),
        ci_low=low,
        ci_high=high,
        reason=reason,
        largest=tuple(
            PairDifference(
                pair=names[place],
                a=a[names[place]].value,
                b=b[names[place]].value,
                difference=float(differences[place]),
            )
            for place in order
        ),
    )
