"""How good a circuit is (DESIGN §8): M is the full model, ∅ everything ablated, C the circuit.

`Measured` holds one split: per-pair values of M, ∅ and of any circuit asked for, each computed
once. `require_performance` refuses a task that the model does not do, before scores are paid for;
`evaluate` fills the evaluation document with preset `quick`; evaluation_full.py adds the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.engine.pair_values import Values, values
from discovery.evaluation.bootstrap import DRAWS, Bootstrap
from discovery.evaluation.random_circuits import PathSampler
from discovery.methods.selection import Scores, top
from discovery.tasks.base import TokenPair
from graph_schema.documents import (
    CurvePoint,
    Evaluation,
    Figure,
    Limits,
    Metric,
    Preset,
    RandomCircuits,
    Split,
    SplitLosses,
)
from graph_schema.errors import NonFiniteError, TaskNotPerformedError

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the edges at which a ranking's curve is taken, as MIB takes it (arXiv:2504.13151)."""
N_RANDOM: dict[Preset, int] = {"quick": 10, "full": 100}

PerPair = NDArray[np.float64]
Report = Callable[[int, int], None]


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
        self.bootstrap = Bootstrap([pair.group for pair in pairs], seed=seed)
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
        new = {kept.tobytes(): kept for kept in circuits if kept.tobytes() not in self._known}
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
        return self._known[kept.tobytes()]

    @property
    def gap(self) -> PerPair:
        """loss(∅) - loss(M) of each pair: what there is to explain."""
        return self.empty.loss - self.full.loss

    @property
    def gap_interval(self) -> tuple[float, float]:
        """The bootstrap interval of the mean gap; with a single group, the mean itself."""
        low, high = self.bootstrap.interval(self.bootstrap.means(self.gap))
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
        return float((self.empty.loss - self.of(kept).loss).sum() / self.gap.sum())

    def faithfulness_draws(self, kept: BoolMatrix) -> NDArray[np.float64]:
        """Faithfulness in each bootstrap draw."""
        recovered = self.bootstrap.sums(self.empty.loss - self.of(kept).loss)
        with np.errstate(divide="ignore", invalid="ignore"):
            return recovered / self.bootstrap.sums(self.gap)

    def figure(self, value: float, draws: NDArray[np.float64]) -> Figure:
        low, high = self.bootstrap.interval(draws)
        return Figure(value=value, split=self.split, n=self.n, ci_low=low, ci_high=high)

    def faithfulness_figure(self, kept: BoolMatrix) -> Figure:
        return self.figure(self.faithfulness(kept), self.faithfulness_draws(kept))

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


def require_performance(discovery: Measured, limits: Limits) -> None:
    """Refuse a task that the model does not do: there is no behaviour to find a circuit for.

    Raises:
        TaskNotPerformedError: Accuracy is under the floor, or the bootstrap interval of
            loss(∅) - loss(M) reaches 0 (for `kl`, which is never negative, rounding of 0).
    """
    if all(any(pair.answers) for pair in discovery.pairs):
        accuracy = float(discovery.full.accuracy.mean())
        if accuracy < limits.accuracy_floor:
            raise TaskNotPerformedError(
                f"the model answers {accuracy:.0%} of {discovery.n} pairs correctly; expected at "
                f"least {limits.accuracy_floor:.0%} (setting limits.accuracy_floor): choose a "
                "task it does, or another model"
            )
    low, high = discovery.gap_interval
    if low <= discovery.no_gap:
        raise TaskNotPerformedError(
            f"ablating everything changes the {discovery.experiment.metric.value} loss by "
            f"{discovery.gap.mean():.3g}, 95 % interval [{low:.3g}, {high:.3g}], which reaches "
            f"{'rounding of ' if discovery.no_gap else ''}0: the model does not tell clean from "
            "ablated prompts, so there is no behaviour to find a circuit for; check the answers, "
            "or take more pairs"
        )


def evaluate(
    discovery: Measured,
    heldout: Measured | None,
    kept: BoolMatrix,
    scores: Scores | None,
    *,
    seed: int,
    missing: str = "",
    no_ranking: str = "this method gives no ranking of edges",
    preset: Preset = "quick",
    progress: Report | None = None,
) -> Evaluation:
    """Judge a circuit: all that preset `quick` has, and where `full` starts from.

    CMD, CPR, the curve and the complement are taken on the held-out split where there is one.

    Args:
        discovery: The split the circuit was found on.
        heldout: The other one; None where it cannot judge, and then `missing` says why.
        kept: The circuit.
        scores: One a edge, for the curve; None where the method gives no ranking.
        seed: Draws the random circuits.
        missing: Why there is no held-out figure.
        no_ranking: Why there are no scores.
        preset: How many random circuits: 10, or 100 for `full`.
        progress: Called with circuits run and circuits to run.
    """
    graph = discovery.experiment.graph
    judge = heldout or discovery
    complement = graph.upstream & ~kept
    curve = _Curve.of(judge, scores) if scores is not None else None
    rng, sampler = np.random.default_rng(seed), PathSampler(graph)
    n_kept = int(kept.sum())
    drawn = [sampler.circuit(n_kept, rng) for _ in range(N_RANDOM[preset] if n_kept else 0)]
    on_judge = [kept, complement, *(curve.circuits if curve else [])]
    on_discovery = [kept, *drawn]
    total = len(on_judge) + len(on_discovery)

    def report(before: int, share: int) -> Report | None:
        if (tell := progress) is None:
            return None
        return lambda done, of: tell(before + done * share // of, total)

    judge.measure(on_judge, report(0, len(on_judge)))
    discovery.measure(on_discovery, report(len(on_judge), len(on_discovery)))
    nothing = Figure(value=None, split=Split.HELDOUT, n=0, reason=missing)
    no_curve = Figure(value=None, split=judge.split, n=judge.n, reason=no_ranking)
    return Evaluation(
        preset=preset,
        seed=seed,
        bootstrap_draws=DRAWS,
        faithfulness=discovery.faithfulness_figure(kept),
        heldout_faithfulness=heldout.faithfulness_figure(kept) if heldout else nothing,
        complement_faithfulness=judge.faithfulness_figure(complement),
        cmd=curve.cmd() if curve else no_curve,
        cpr=curve.cpr() if curve else no_curve,
        losses=tuple(split.losses(kept) for split in (discovery, heldout) if split),
        curve=curve.points() if curve else (),
        random_circuits=_random_circuits(discovery, drawn) if drawn else None,
    )


def _random_circuits(discovery: Measured, drawn: Sequence[BoolMatrix]) -> RandomCircuits:
    found = [discovery.faithfulness(kept) for kept in drawn]
    return RandomCircuits(
        n=len(found),
        mean=float(np.mean(found)),
        low=min(found),
        high=max(found),
        split=discovery.split,
        n_pairs=discovery.n,
    )


@dataclass(frozen=True)
class _Curve:
    """A ranking's faithfulness at every share of `SHARES`, by |score| and by signed score."""

    judge: Measured
    by_size: tuple[BoolMatrix, ...]
    by_sign: tuple[BoolMatrix, ...]

    @classmethod
    def of(cls, judge: Measured, scores: Scores) -> _Curve:
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
