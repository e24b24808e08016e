"""One split measured: values of the full model, of nothing, and of any circuit, pair by pair."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.pair_values import Values, values
from discovery.progress import Report
from discovery.tasks.base import TokenPair
from graph_schema.documents import Figure, Metric, Split, SplitLosses
from graph_schema.errors import NonFiniteError
from graph_schema.intervals import Bounds, group_interval

PerPair = NDArray[np.float64]


def _name(kept: BoolMatrix) -> bytes:
    """A kept set's own name: between features the set itself has millions of bytes."""
    return hashlib.sha256(np.packbits(kept).tobytes()).digest()


class Measured:
    """One split's pairs and what is known of them under an experiment."""

    def __init__(
        self,
        experiment: Experiment,
        split: Split,
        pairs: Sequence[TokenPair],
        *,
        seed: int,
        chunk: int | None = None,
        progress: Report | None = None,
    ) -> None:
        """Runs M and ∅.

        Raises:
            NonFiniteError: A loss is NaN or infinite; the message names the layer it begins in.
        """
        self.experiment, self.split, self.pairs = experiment, split, tuple(pairs)
        self.groups, self.seed = tuple(pair.group for pair in pairs), seed
        self._chunk, self._known = chunk, dict[bytes, Values]()
        graph = experiment.graph
        self.measure([graph.upstream, graph.none()], progress)
        self.full, self.empty = self.of(graph.upstream), self.of(graph.none())
        if not np.isfinite(self.gap).all():
            raise NonFiniteError(experiment.describe_overflow(pairs))

    @property
    def n(self) -> int:
        return len(self.pairs)

    def measure(self, circuits: Sequence[BoolMatrix], progress: Report | None = None) -> None:
        """Run the circuits that are not known yet, together."""
        named = {_name(kept): kept for kept in circuits}
        new = {name: kept for name, kept in named.items() if name not in self._known}
        if new:
            found = values(
                self.experiment,
                self.pairs,
                list(new.values()),
                chunk=self._chunk,
                progress=progress,
            )
            self._known.update(zip(new, found, strict=True))

    def of(self, kept: BoolMatrix) -> Values:
        """Per-pair values of a circuit that was measured."""
        return self._known[_name(kept)]

    @property
    def gap(self) -> PerPair:
        """loss(∅) - loss(M) of each pair: what there is to explain."""
        return self.empty.loss - self.full.loss

    @property
    def n_groups(self) -> int:
        return len(set(self.groups))

    @property
    def gap_interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean gap over groups; with a single group, the mean itself."""
        low, high, _ = group_interval(self.gap, self.groups, seed=self.seed)
        mean = float(self.gap.mean())
        return (mean if low is None else low, mean if high is None else high)

    @property
    def no_gap(self) -> float:
        """A mean gap up to this is none: 0, and for `kl`, which is never negative, its rounding."""
        if self.experiment.metric is not Metric.KL:
            return 0.0
        # Of sums, and of logits in the model's dtype, which KL has in square.
        sums, logits = self.experiment.dtype, self.experiment.adapter.dtype
        return 10 * max(torch.finfo(sums).eps, torch.finfo(logits).eps ** 2)

    def faithfulness(self, kept: BoolMatrix) -> float:
        """Faithfulness of C: (loss(∅) - loss(C)) / (loss(∅) - loss(M))."""
        return float(self.recovered(kept).sum() / self.gap.sum())

    def recovered(self, kept: BoolMatrix) -> PerPair:
        """loss(∅) - loss(C) of each pair: faithfulness is their sum over that of the gaps."""
        return self.empty.loss - self.of(kept).loss

    def figure(self, value: float, bounds: Bounds) -> Figure:
        low, high, reason = bounds
        return Figure(
            value=value,
            split=self.split,
            n=self.n,
            n_groups=self.n_groups,
            ci_low=low,
            ci_high=high,
            reason=reason,
        )

    def faithfulness_figure(self, kept: BoolMatrix) -> Figure:
        bounds = group_interval(self.recovered(kept), self.groups, over=self.gap, seed=self.seed)
        return self.figure(self.faithfulness(kept), bounds)

    def losses(self, kept: BoolMatrix) -> SplitLosses:
        circuit = self.of(kept)
        answered = all(any(pair.answers) for pair in self.pairs)
        return SplitLosses(
            split=self.split,
            n=self.n,
            loss_full=float(self.full.loss.mean()),
            loss_circuit=float(circuit.loss.mean()),
            loss_empty=float(self.empty.loss.mean()),
            accuracy_full=float(self.full.accuracy.mean()) if answered else None,
            accuracy_circuit=float(circuit.accuracy.mean()) if answered else None,
            mean_rank_full=float(self.full.rank.mean()) if answered else None,
        )
