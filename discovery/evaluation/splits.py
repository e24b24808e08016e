"""The two splits of a job's pairs, measured before anything else is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.engine.graph import BoolMatrix
from discovery.evaluation.measured import Measured
from discovery.evaluation.performed import require_performance
from discovery.progress import Report
from discovery.tasks.base import PairSet, TokenPair
from graph_schema.documents import Ablation, Limits, Split


@dataclass(frozen=True)
class Splits:
    """M and ∅ on both splits; `heldout` is None where it cannot judge, and `missing` says why."""

    discovery: Measured
    heldout: Measured | None
    missing: str

    @classmethod
    def measure(
        cls,
        experiment: Experiment,
        pairs: PairSet,
        *,
        seed: int,
        limits: Limits,
        chunk: int | None,
        progress: Report,
    ) -> Splits:
        """Run M and ∅ on both splits.

        Raises:
            TaskNotPerformedError: The model does not do the task.
            NonFiniteError: A loss is NaN or infinite.
        """
        discovery = Measured(
            experiment,
            Split.DISCOVERY,
            pairs.discovery,
            seed=seed,
            chunk=chunk,
            progress=progress,
        )
        require_performance(discovery, limits)
        return cls(discovery, *_heldout(experiment, pairs.heldout, seed, limits, chunk))

    @property
    def notes(self) -> tuple[str, ...]:
        """Why there is no held-out figure, where there is none."""
        return (self.missing,) if self.missing else ()

    def per_pair(self, circuits: Sequence[BoolMatrix]) -> dict[str, NDArray[Any]]:
        """The metric of every pair, m(M), m(C), m(∅), with its id, split and group.

        "circuit" has a row a circuit where there are several.
        """
        splits = [split for split in (self.discovery, self.heldout) if split]
        sign = -1.0 if self.discovery.experiment.metric.higher_is_better else 1.0

        def joined(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
            return sign * np.concatenate(values)

        each = [joined([split.of(kept).loss for split in splits]) for kept in circuits]
        return {
            "id": np.array([pair.id for split in splits for pair in split.pairs]),
            "split": np.array([split.split.value for split in splits for _ in split.pairs]),
            "group": np.array([pair.group for split in splits for pair in split.pairs]),
            "full": joined([split.full.loss for split in splits]),
            "circuit": each[0] if len(each) == 1 else np.stack(each),
            "empty": joined([split.empty.loss for split in splits]),
        }

    def draws(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Under `resample`, the prompts that ablated values came from; nothing else draws any.

        `drawn` has each pair's id and split and, a column a draw, the place among the discovery
        pairs (in the order of `id`) of the pair whose clean prompt it got.
        """
        ablator = self.discovery.experiment.ablator
        if ablator.kind is not Ablation.RESAMPLE:
            return {}
        splits = [split for split in (self.discovery, self.heldout) if split]
        return {
            "drawn": {
                "id": np.array([pair.id for split in splits for pair in split.pairs]),
                "split": np.array([split.split.value for split in splits for _ in split.pairs]),
                "source": np.concatenate([ablator.drawn(split.pairs) for split in splits]),
            }
        }


def _heldout(
    experiment: Experiment,
    pairs: Sequence[TokenPair],
    seed: int,
    limits: Limits,
    chunk: int | None,
) -> tuple[Measured | None, str]:
    """The held-out split where it can judge, else why not."""
    usable = [
        pair
        for pair, covered in zip(pairs, experiment.ablator.covers(pairs), strict=True)
        if covered
    ]
    if len(usable) < limits.min_pairs:
        left = f" that ablation {experiment.ablator.kind.value!r} covers"
        return None, (
            f"no held-out figure: {len(usable)} held-out pairs"
            f"{left if len(usable) < len(pairs) else ''}, at least {limits.min_pairs} needed"
        )
    heldout = Measured(experiment, Split.HELDOUT, usable, seed=seed, chunk=chunk)
    if heldout.gap_interval[0] <= heldout.no_gap:
        return None, "no held-out figure: the model does not do the task on the held-out pairs"
    return heldout, ""
