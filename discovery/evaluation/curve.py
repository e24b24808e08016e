"""A ranking's faithfulness as more of its edges are kept, and the areas CMD and CPR under it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from discovery.engine.graph import BoolMatrix
from discovery.evaluation.measured import Measured
from discovery.methods.selection import Scores, top
from graph_schema.documents import CurvePoint, Figure
from graph_schema.intervals import figure_interval

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the edges at which a ranking's curve is taken, as MIB takes it (arXiv:2504.13151)."""


@dataclass(frozen=True)
class Curve:
    """A ranking's faithfulness at every share of `SHARES`, by |score| and by signed score."""

    judge: Measured
    by_size: tuple[BoolMatrix, ...]
    by_sign: tuple[BoolMatrix, ...]

    @classmethod
    def of(cls, judge: Measured, scores: Scores) -> Curve:
        graph = judge.experiment.graph
        sizes = [int(share * graph.n_edges) for share in SHARES]
        return cls(
            judge,
            tuple(top(graph, scores, n, "abs") for n in sizes),
            tuple(top(graph, scores, n, "signed") for n in sizes),
        )

    @property
    def circuits(self) -> tuple[BoolMatrix, ...]:
        return (*self.by_size, *self.by_sign)

    def points(self) -> tuple[CurvePoint, ...]:
        judge, n_edges = self.judge, self.judge.experiment.graph.n_edges
        return tuple(
            CurvePoint(
                share=share,
                n_edges=int(share * n_edges),
                faithfulness_abs=judge.faithfulness(size),
                faithfulness_signed=judge.faithfulness(sign),
            )
            for share, size, sign in zip(SHARES, self.by_size, self.by_sign, strict=True)
        )

    def cmd(self) -> Figure:
        """∫ |1 - f| dk by |score|: 0 for a ranking whose every prefix is faithful."""
        found = self._area(self.by_size, lambda f: np.abs(1 - f))
        if found.ci_low is None:
            return found
        return found.model_copy(update={"ci_low": max(0.0, found.ci_low)})

    def cpr(self) -> Figure:
        """∫ f dk by signed score."""
        return self._area(self.by_sign, lambda f: f)

    def _area(
        self,
        circuits: Sequence[BoolMatrix],
        height: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> Figure:
        judge = self.judge

        def area(sums: NDArray[np.float64]) -> NDArray[np.float64]:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(trapezoid(height(sums[..., :-1] / sums[..., -1:]), SHARES))

        # Sums over pairs, so that an interval resamples whole curves, not their points.
        values = np.stack([*(judge.recovered(kept) for kept in circuits), judge.gap], axis=-1)
        bounds = figure_interval(values, judge.groups, area, seed=judge.seed)
        return judge.figure(float(area(values.sum(axis=0))), bounds)
