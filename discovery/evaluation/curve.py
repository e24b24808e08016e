"""A ranking's faithfulness as more of its edges are kept, and the areas CMD and CPR under it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.engine.graph import BoolMatrix
from discovery.evaluation.measured import Measured
from discovery.methods.selection import Scores, top
from graph_schema.documents import CurvePoint, Figure

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
        return self._area(self.by_size, lambda f: np.abs(1 - f))

    def cpr(self) -> Figure:
        """∫ f dk by signed score."""
        return self._area(self.by_sign, lambda f: f)

    def _area(
        self,
        circuits: Sequence[BoolMatrix],
        height: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> Figure:
        value = np.array([self.judge.faithfulness(kept) for kept in circuits])
        draws = np.stack([self.judge.faithfulness_draws(kept) for kept in circuits], axis=-1)
        return self.judge.figure(float(_trapezoid(height(value))), _trapezoid(height(draws)))


def _trapezoid(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area under `heights` [..., share], linear in the share of edges."""
    means = (heights[..., 1:] + heights[..., :-1]) / 2
    return np.asarray((means * np.diff(SHARES)).sum(axis=-1))
