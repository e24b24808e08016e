"""From one p a model to one p a pattern, with the patterns and the models paid for.

A pattern *recurs* where it is more frequent than chance in at least two models. Its p is that of
the partial conjunction (Benjamini and Heller 2008): with n models, Fisher's combination of all but
the least of their p. One model alone, however striking, makes nothing recur. It holds where models
are independent of each other, which relatives are not.

q is Benjamini and Hochberg's over all patterns that could be called by themselves: those whose
least possible p is too large, given how many they are tested with, leave first and cost the others
nothing (Tarone 1990). What decides that is the same however the roles are dealt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

_Key = TypeVar("_Key")

MODELS = 2
"""In so many models at least a pattern must be more frequent than chance."""


def conjunction_p(p: Sequence[float], at_least: int = MODELS) -> float:
    """The p of "in fewer than `at_least` of these models"; 1 where they are not as many."""
    from scipy.stats import chi2  # takes most of a second to import

    if len(p) < at_least:
        return 1.0
    kept = sorted(p)[at_least - 1 :]
    return float(chi2.sf(-2 * np.log(kept).sum(), 2 * len(kept)))


def reachable(least: Mapping[_Key, float], alpha: float) -> set[_Key]:
    """Those that could be called by themselves, with all that are in it to be paid for."""
    kept = set(least)
    while kept:
        most = max(least[key] for key in kept)
        if most * len(kept) <= alpha * (1 + 1e-9):
            break
        kept = {key for key in kept if least[key] < most}
    return kept


def adjusted(p: Mapping[_Key, float]) -> dict[_Key, float]:
    """Benjamini and Hochberg's q."""
    from scipy.stats import false_discovery_control

    q = false_discovery_control(list(p.values()), method="bh").tolist() if p else []
    return dict(zip(p, q, strict=True))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p, in the order given."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p)[order] * (len(p) - np.arange(len(p)))
    done = np.empty(len(p))
    done[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return done.tolist()


def how_many(p: Sequence[float], level: float) -> int:
    """In how many models at least, at this level: 2, 3, … are tried in turn."""
    reached = 0
    for at_least in range(MODELS, len(p) + 1):
        if conjunction_p(p, at_least) > level:
            break
        reached = at_least
    return reached
