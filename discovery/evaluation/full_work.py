"""What preset `full` asks of a job's method: run it on shuffled pairs, and group by group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from discovery.engine.experiment import Experiment
from discovery.evaluation.full import Evidence, Shuffled, complete
from discovery.evaluation.measured import Measured
from discovery.evaluation.specificity import n_kept, shuffled
from discovery.evaluation.stability import EdgeStability, GroupScores
from discovery.methods.finding import Found, find
from discovery.methods.scoring import Arrays, Work, attribute
from discovery.progress import Checkpoint
from graph_schema.documents import Ablation, AnySelection, Eap, EapIg, Evaluation, Exact, Metric
from graph_schema.documents.jobs import DiscoverSpec


@dataclass(frozen=True)
class FullWork:
    """A job's method on other pairs; done once for all circuits of a job."""

    spec: DiscoverSpec
    work: Work
    discovery: Measured
    pair_scores: Arrays | None = None
    """The artifact of each pair's scores, where the job keeps them."""

    def complete(
        self, quick: Evaluation, heldout: Measured | None, found: Found
    ) -> tuple[Evaluation, EdgeStability | None]:
        """What `full` adds for one of the job's circuits."""
        shuffled = self.shuffled
        if not isinstance(shuffled, str):  # of several by one selection, all have the same
            shuffled = next(each for by, each in shuffled if by == found.selection)
        return complete(
            quick,
            self.discovery,
            heldout,
            found.kept,
            found.selection,
            Evidence(shuffled, self.groups),
            seed=self.spec.seed,
            chunk=self.work.chunk,
            progress=self.work.report,
        )

    @cached_property
    def shuffled(self) -> list[tuple[AnySelection, Shuffled]] | str:
        """The circuits that the method finds where answers (for kl: corrupt prompts) are dealt out.

        One a selection. Why not, where shuffling leaves everything as it was.
        """
        spec, work = self.spec, self.work
        if spec.metric is Metric.KL and spec.ablation.kind is not Ablation.CORRUPT:
            return (
                f"metric kl with ablation {spec.ablation.kind.value} reads neither answers nor "
                "corrupt prompts"
            )
        pairs = shuffled(work.pairs, spec.metric, np.random.default_rng(spec.seed))
        if not work.experiment.ablator.covers(pairs).all():
            return (
                f"ablation {spec.ablation.kind.value} finds no other prompt with another answer "
                "for each shuffled pair"
            )
        # Ablated values are the job's own; `corrupt` takes them from the pairs at hand.
        there = Work(
            Experiment(
                work.experiment.adapter,
                spec.metric,
                spec.ablation,
                work.pairs,
                seed=spec.seed,
                receivers=spec.receivers,
            ),
            pairs,
            work.chunk,
            lambda stage: work.report("shuffled"),
            _Renamed(work.checkpoint, "shuffled-"),
        )
        without = spec.model_copy(update={"keep_pair_scores": False})
        n = n_kept(work.pairs, pairs, spec.metric)
        return [(found.selection, Shuffled(found.kept, n)) for found in find(without, there)[0]]

    @cached_property
    def groups(self) -> GroupScores | str:
        """The method's scores group by group, for methods whose score is a mean over pairs."""
        work, method, kept = self.work, self.spec.method, self.pair_scores
        if not isinstance(method, Eap | EapIg) and kept is None:
            more = "; keep_pair_scores spares that" if isinstance(method, Exact) else ""
            return f"{method.name} would need a run for every resample of the groups{more}"
        n_groups = self.discovery.n_groups
        if n_groups < 4:
            return f"{n_groups} groups of discovery pairs, at least 4 needed"
        if kept is not None:
            return GroupScores.of_pairs(work.pairs, kept["scores"])
        assert isinstance(method, Eap | EapIg)
        return GroupScores.of(
            work.pairs,
            lambda pairs: attribute(method, replace(work, pairs=pairs), "stability"),
        )


@dataclass(frozen=True)
class _Renamed:
    """A checkpoint whose names do not meet the job's own."""

    inner: Checkpoint
    prefix: str

    def load(self, name: str) -> dict[str, NDArray[np.generic]] | None:
        return self.inner.load(self.prefix + name)

    def save(self, name: str, arrays: dict[str, NDArray[np.generic]]) -> None:
        self.inner.save(self.prefix + name, arrays)
