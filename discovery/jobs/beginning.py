"""What a discover job begins with, and each of its shards alike: pairs measured, units chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discovery.dictionaries import Loaded
from discovery.engine.experiment import Experiment
from discovery.evaluation.session import Session
from discovery.evaluation.splits import Splits
from discovery.jobs.cutting import Cut, cut, require_unchanged
from discovery.methods.pair_scores import require_room
from discovery.methods.scoring import Work
from discovery.methods.shards import Identity
from discovery.models import LoadedModel
from discovery.progress import Checkpoint, Progress
from discovery.tasks.base import PairSet
from graph_schema.documents import Limits
from graph_schema.documents.jobs import DiscoverSpec


@dataclass(frozen=True)
class Begun:
    """A job whose edges can be scored.

    Attributes:
        session: Of the graph whose edges are scored.
        splits: Both splits, measured.
        cut: What the components are cut into.
        whole: The experiment of whole components, where they are cut.
    """

    session: Session
    splits: Splits
    cut: Cut
    whole: Experiment | None

    @classmethod
    def of(
        cls,
        spec: DiscoverSpec,
        model: LoadedModel,
        pairs: PairSet,
        *,
        limits: Limits,
        progress: Progress,
        chunk: int | None,
        dictionaries: Sequence[Loaded],
    ) -> Begun:
        """See that the model does the task, and choose units where components are cut.

        Raises:
            DictionaryError: The dictionaries are others than the spec's.
            TaskNotPerformedError: The model does not do the task.
            DatasetError: The data lack what the metric or the ablation needs.
            LimitError: The pairs' scores have more bytes than the limit.
            NonFiniteError: NaN or infinite values; names the layer.
        """
        session = Session.of(
            spec,
            model,
            pairs,
            receivers=spec.receivers,
            limits=limits,
            progress=progress,
            chunk=chunk,
        )
        if spec.keep_pair_scores:
            require_room(len(pairs.discovery), session.experiment.graph.n_edges, limits)
        splits = session.baseline()
        if spec.granularity == "head":
            return cls(session, splits, Cut(), None)
        whole = session.experiment
        return cls(*_cut(spec, session, splits, dictionaries), whole)

    def work(self, checkpoint: Checkpoint) -> Work:
        """What a method works on."""
        session = self.session
        return Work(
            session.experiment,
            session.pairs.discovery,
            session.chunk,
            session.report,
            checkpoint,
            self.whole,
        )

    def identity(self, model: LoadedModel, pairs: PairSet) -> Identity:
        """What scores of parts of the pairs must have in common."""
        graph = self.session.experiment.graph
        return Identity.of(model.document.identity, pairs.document.sha256, graph)


def _cut(
    spec: DiscoverSpec, session: Session, splits: Splits, dictionaries: Sequence[Loaded]
) -> tuple[Session, Splits, Cut]:
    """The session with its components cut into units, measured anew: it must be the same model."""
    with session.clock.stage("units"):
        parts = cut(
            spec,
            session.experiment,
            session.pairs.discovery,
            dictionaries,
            chunk=session.chunk,
            report=session.report,
        )
        fine = session.spliced(parts.splices)
        measured = fine.measured()
        require_unchanged(
            float(splits.discovery.full.loss.mean()),
            float(measured.discovery.full.loss.mean()),
            spec.dtype,
        )
    return fine, measured, parts
