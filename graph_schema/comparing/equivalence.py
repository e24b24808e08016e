"""Whether families agree on what a super-edge carries: two one-sided tests (Schuirmann 1987).

That a difference was not found is no sign that there is none. Here the claim is turned round: that
means differ by the margin or more is the hypothesis, and agreement has to be shown against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt

import numpy as np

from graph_schema.documents.verdict import MODELS_A_FAMILY, Equivalence


def equivalence(
    super_edge: str, shares: Mapping[str, Sequence[float]], *, margin: float, alpha: float
) -> Equivalence:
    """Whether all families' mean shares lie within `margin` of each other, at level `alpha`.

    All pairs must pass, so no correction is needed (an intersection-union test). Families of fewer
    than three models have no spread to speak of and are left out.

    Args:
        super_edge: Its name.
        shares: One a model, by family; each a share of its own model's gap.
        margin: How far apart two means may lie.
        alpha: Level of each one-sided test.
    """
    used = {name: list(each) for name, each in shares.items() if len(each) >= MODELS_A_FAMILY}
    means = {name: float(np.mean(each)) for name, each in shares.items() if len(each)}
    if len(used) < 2:
        why = f"fewer than two families have {MODELS_A_FAMILY} models with this share"
        return Equivalence(super_edge=super_edge, means=means, p=None, equivalent=False, reason=why)
    tests = {
        (one, two): two_one_sided(used[one], used[two], margin)
        for one, two in combinations(sorted(used), 2)
    }
    (one, two), p = max(tests.items(), key=lambda item: item[1])
    reason = ""
    if p > alpha:
        reason = (
            f"{one} ({means[one]:.2f}) and {two} ({means[two]:.2f}) are not shown to lie within "
            f"{margin:g} of each other (p = {p:.3g})"
        )
    return Equivalence(
        super_edge=super_edge, means=means, p=p, equivalent=p <= alpha, reason=reason
    )


def two_one_sided(one: Sequence[float], two: Sequence[float], margin: float) -> float:
    """The p of the two one-sided t tests that |mean(one) - mean(two)| < margin; at least two each.

    Errors and degrees of freedom are Welch's.
    """
    from scipy.stats import t  # takes most of a second to import

    a, b = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    apart = abs(float(a.mean() - b.mean()))
    parts = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    error = sqrt(sum(parts))
    if error < 1e-12:
        return 0.0 if apart < margin else 1.0
    freedom = sum(parts) ** 2 / sum(
        part**2 / (n - 1) for part, n in zip(parts, (len(a), len(b)), strict=True)
    )
    return float(t.sf((margin - apart) / error, freedom))
