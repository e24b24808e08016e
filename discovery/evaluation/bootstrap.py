"""Bootstrap intervals over groups of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
Values = NDArray[np.float64]


class Bootstrap:
    """Resamples groups (templates, names) with all their pairs; 95 % percentile intervals.

    With fewer than two groups there is nothing to resample and an interval is (None, None).
    """

    def __init__(self, groups: Sequence[str], *, seed: int, draws: int = DRAWS) -> None:
        _, member = np.unique(np.array(groups), return_inverse=True)
        n_groups = int(member.max()) + 1
        drawn = np.random.default_rng(seed).integers(0, n_groups, (draws, n_groups))
        counts = np.stack([np.bincount(row, minlength=n_groups) for row in drawn])
        self._weights: Values = counts[:, member].astype(np.float64)
        self.n_groups = n_groups

    def sums(self, values: Values) -> Values:
        """The sum over pairs in each draw; `values` [pair, ...]."""
        return np.tensordot(self._weights, values, axes=1)

    def means(self, values: Values) -> Values:
        """The mean over pairs in each draw."""
        return self.sums(values) / self._weights.sum(axis=1)

    def interval(self, draws: Values) -> tuple[float | None, float | None]:
        """The 2.5 % and 97.5 % points of a figure's draws; what is not finite is left out."""
        finite = draws[np.isfinite(draws)]
        if self.n_groups < 2 or not len(finite):
            return None, None
        low, high = np.percentile(finite, [2.5, 97.5])
        return float(low), float(high)
