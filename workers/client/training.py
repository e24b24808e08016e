"""What a client asks along a training: when behaviour, role and wiring come, checkpoint by step.

No kind of job of its own: each checkpoint's roles and effects jobs are those of a universality
question, and what they found is put side by side here. Checkpoints are one lineage, so there is
nothing to count over them, no verdict to pass and nothing more to store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graph_schema.documents import Motif
from graph_schema.documents.jobs import JobRecord
from workers.client.many import ManyJobs
from workers.client.universality import UniversalityRequests
from workers.requests.training import TrainingRequest, TrainingSubmission, build_training
from workers.requests.universality import UniversalityRequest

if TYPE_CHECKING:
    from workers.client.connection import Connection
    from workers.results.training import Training


class TrainingJobs(ManyJobs):
    """The jobs of all checkpoints; `outcome` is what they say together."""

    def __init__(
        self, client: Connection, submission: TrainingSubmission, records: Sequence[JobRecord]
    ) -> None:
        super().__init__(client, "training", submission.jobs, records)
        self._submission = submission

    def outcome(self, progress: bool = True) -> Training:
        """What was found along the training; waits for it.

        A checkpoint whose jobs failed is untestable, with the reason. Neighbouring checkpoints are
        remembered to be of one lineage, so that verdicts over models count them once.

        Raises:
            SpecError: They cannot be checkpoints of one training: their sizes or families differ.
        """
        from workers.client.along_training import gathered

        self.wait(progress=progress)
        return gathered(self._client.service, self._submission)


class TrainingRequests(UniversalityRequests):
    """A connection that asks along a training: `training`."""

    def training(
        self,
        motif: str | Motif,
        model: str,
        *,
        checkpoints: Sequence[int] | None = None,
        revisions: Sequence[str] = (),
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        label: str | None = None,
        task_params: Mapping[str, Any] | None = None,
        pairs: int | None = None,
        metric: str | None = None,
        ablation: str = "corrupt",
        probes: int = 32,
        add_bos: bool | None = None,
        answers: Literal["single", "first_difference"] = "single",
        misfits: Literal["refuse", "leave_out"] = "refuse",
        dtype: str = "float32",
        seed: int = 0,
        device: str = "cpu",
        memory: int | None = None,
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> TrainingJobs:
        """Ask when along a training a motif comes; `.outcome()` is the answer.

        Args:
            motif: As in `universality`, as the others are that are not named here.
            model: A folder with checkpoints (`checkpoints/step-000100`, `checkpoint-100`), one of
                the zoo (`zoo:gpt2/0`), or a hub id.
            checkpoints: Steps of a folder's checkpoints; all where left out.
            revisions: Of a hub id, those that are its checkpoints; their names end in the step.
            task: As in `universality`.
            dataset: Likewise.
            heldout: Likewise.
            label: Likewise.
            task_params: Likewise.
            pairs: Likewise; 64 of a built-in task where left out.
            metric: Likewise.
            ablation: Likewise.
            probes: Likewise.
            add_bos: Likewise.
            answers: Likewise.
            misfits: Likewise.
            dtype: Likewise.
            seed: Likewise.
            device: Likewise.
            memory: Likewise.
            chunk: Likewise.
            priority: Likewise.
            force: Measure again what has ended.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            ModelError: The model, or a checkpoint, cannot be found.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        measuring = UniversalityRequest(
            motif=motif if isinstance(motif, str) else motif.name,
            models=(model,),
            task=task,
            dataset=dataset,
            heldout=heldout,
            label=label,
            task_params=task_params,
            pairs=pairs,
            metric=metric,
            ablation=ablation,
            stress="none",
            probes=probes,
            add_bos=add_bos,
            answers=answers,
            misfits=misfits,
            dtype=dtype,
            seed=seed,
            device=device,
            memory=memory,
            chunk=chunk,
            priority=priority,
        )
        request = TrainingRequest(
            model=model, measuring=measuring, steps=checkpoints, revisions=revisions
        )
        pattern = motif if isinstance(motif, Motif) else None
        return self.training_request(request, force=force, motif=pattern)

    def training_request(
        self, request: TrainingRequest, *, force: bool = False, motif: Motif | None = None
    ) -> TrainingJobs:
        """`training`, with the request as one value; `motif` where it is not one by name."""
        from graph_schema.motif_search import motif_named
        from graph_schema.motifs import catalogue

        name, settings = request.measuring.motif, self.settings
        pattern = motif or catalogue().get(name) or motif_named(self.service.store, name)
        submission = build_training(request, pattern, settings.limits, settings.cache_dir)
        self._require_worker()
        records = self.service.submit_many(submission.jobs, force=force)
        return TrainingJobs(self, submission, records)
