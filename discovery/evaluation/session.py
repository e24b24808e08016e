"""A job's measurements under way: what it measures with, how it reports, what each stage took."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from discovery.engine.experiment import Experiment
from discovery.engine.metrics import require_tokens
from discovery.engine.self_check import check_adapter
from discovery.engine.splice import Splice
from discovery.evaluation.splits import Splits
from discovery.models import LoadedModel
from discovery.progress import Progress, Report
from discovery.tasks.base import PairSet
from graph_schema.documents import Limits
from graph_schema.documents.jobs import MeasuredSpec
from graph_schema.documents.method import Receivers


@dataclass
class Clock:
    """CPU seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        started = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] = time.process_time() - started


@dataclass(frozen=True)
class Session:
    """What a job of either kind begins with, found or given: an experiment on its pairs."""

    spec: MeasuredSpec
    experiment: Experiment
    pairs: PairSet
    limits: Limits
    progress: Progress
    chunk: int | None
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def of(
        cls,
        spec: MeasuredSpec,
        model: LoadedModel,
        pairs: PairSet,
        *,
        limits: Limits,
        progress: Progress,
        chunk: int | None,
        receivers: Receivers = "query_head",
    ) -> Session:
        """The spec's metric and ablation on its pairs; nothing is run yet.

        Raises:
            DatasetError: The data lack what the metric or the ablation needs.
        """
        require_tokens(spec.metric, (*pairs.discovery, *pairs.heldout))
        experiment = Experiment(
            model.adapter,
            spec.metric,
            spec.ablation,
            pairs.discovery,
            seed=spec.seed,
            receivers=receivers,
        )
        return cls(spec, experiment, pairs, limits, progress, chunk)

    def spliced(self, splices: Sequence[Splice]) -> Session:
        """The same on the same clock, with components cut into units."""
        experiment = Experiment(
            self.experiment.adapter,
            self.spec.metric,
            self.spec.ablation,
            self.pairs.discovery,
            seed=self.spec.seed,
            splices=splices,
        )
        return replace(self, experiment=experiment)

    def report(self, stage: str) -> Report:
        """The callback of a stage."""
        return lambda done, total: self.progress(stage, done, total)

    def baseline(self) -> Splits:
        """Both splits measured under the full model and with everything ablated.

        Raises:
            NumericsError: The adapter's logits are not the model's.
            TaskNotPerformedError: The model does not do the task.
            NonFiniteError: A loss is NaN or infinite.
        """
        with self.clock.stage("baseline"):
            prompts = [pair.clean for pair in (*self.pairs.discovery, *self.pairs.heldout)]
            check_adapter(self.experiment.adapter, prompts, together=self.chunk != 1)
            return self.measured()

    def measured(self) -> Splits:
        """`baseline` of an adapter that was checked."""
        return Splits.measure(
            self.experiment,
            self.pairs,
            seed=self.spec.seed,
            limits=self.limits,
            chunk=self.chunk,
            progress=self.report("baseline"),
        )
