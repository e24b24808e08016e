"""What a client asks about roles. Each keyword is a field of a request in `workers/requests`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from graph_schema.documents import Motif
from workers.client.job import Job
from workers.client.trace_requests import TraceRequests
from workers.requests.discover import Submission
from workers.requests.effects import EffectsRequest
from workers.requests.roles import RolesRequest, build_roles
from workers.requests.specificity import SpecificityRequest


class RoleRequests(TraceRequests):
    """A connection that asks who plays which role, and what roles carry to each other."""

    def roles(
        self,
        model: str,
        *,
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        roles: Sequence[str] | None = None,
        probes: int = 32,
        metric: str | None = None,
        ablation: str = "corrupt",
        pairs: int | None = None,
        seed: int = 0,
        revision: str | None = None,
        label: str | None = None,
        task_params: Mapping[str, Any] | None = None,
        draws: int = 1,
        add_bos: bool | None = None,
        answers: Literal["single", "first_difference"] = "single",
        misfits: Literal["refuse", "leave_out"] = "refuse",
        dtype: str = "float32",
        device: str = "cpu",
        memory: int | None = None,
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Ask which heads play which roles in a behaviour; `job.outcome()` is a `Roles`.

        Give exactly one of `task` and `dataset`. The other arguments are `submit`'s.

        Args:
            model: Hub id, folder (absolute, `./…`, `~/…`) or `.gguf` file.
            roles: The roles to test for; None for all (docs/roles.md).
            probes: Prompts for each condition that patterns are read on.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = RolesRequest(
            model=model,
            revision=revision,
            task=task,
            task_params=task_params,
            dataset=dataset,
            heldout=heldout,
            label=label,
            pairs=pairs,
            roles=roles,
            probes=probes,
            metric=metric,
            ablation=ablation,
            draws=draws,
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
        return self.roles_request(request, force=force)

    def roles_request(self, request: RolesRequest, *, force: bool = False) -> Job:
        """`roles`, with the request as one value."""
        submission = build_roles(request, self.settings.limits, self.settings.cache_dir)
        self._require_worker()
        return Job(self, self.service.submit(submission, force=force), submission)

    def roles_of(self, circuit: str, *, force: bool = False) -> Job:
        """Ask for the roles in a circuit's model on the circuit's own pairs; `roles`'s answer.

        Metric, ablation, tokenisation, dtype, seed and place are those of the job that found it.

        Args:
            circuit: Its id, or the first digits.
            force: Run again what has ended before.

        Raises:
            NotFoundError: No circuit, or more than one, has the id; or its job is there no more.
            SpecError: A file of another tool brought it, so no job has its pairs.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        self._require_worker()
        from workers.client.stored import roles_of_circuit

        submission = roles_of_circuit(self.service, circuit)
        return Job(self, self.service.submit(submission, force=force), submission)

    def effects(
        self,
        roles_job: str,
        *,
        motif: str | Motif = "induction",
        pairs: int | None = None,
        task_params: Mapping[str, Any] | None = None,
        metric: str | None = None,
        ablation: str | None = None,
        draws: int | None = None,
        seed: int | None = None,
        model: str | None = None,
        revision: str | None = None,
        device: str = "cpu",
        memory: int | None = None,
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Measure what a motif's roles carry to each other; `job.outcome()` is what was found.

        Measured on the held-out pairs: roles were assigned on the others. What is left out is the
        roles job's own. The other arguments are `submit`'s.

        Args:
            roles_job: The job that said who plays what: its id, or the first digits. Where it has
                not ended, this one waits for it.
            motif: Whose edges to measure: its name, or a motif from `parse_motif`, of roles,
                `input` and `logits`.
            pairs: How many pairs a built-in task makes for each split.
            task_params: Parameters of a built-in task, in place of the roles job's.
            model: Where its model lies now; the same model, by its fingerprint.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            NotFoundError: No job, or more than one, has the id.
            MissingExtraError: The local service has no torch to work with.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = EffectsRequest(
            roles_job=roles_job,
            motif=motif,
            pairs=pairs,
            task_params=task_params,
            metric=metric,
            ablation=ablation,
            draws=draws,
            seed=seed,
            model=model,
            revision=revision,
            device=device,
            memory=memory,
            chunk=chunk,
            priority=priority,
        )
        return self.effects_request(request, force=force)

    def effects_request(self, request: EffectsRequest, *, force: bool = False) -> Job:
        """`effects`, with the request as one value."""
        from workers.client.stored import effects_asked

        self._require_worker()
        submission = effects_asked(self.service, request)
        return Job(self, self.service.submit(submission, force=force), submission)

    def specificity(
        self,
        roles_jobs: Sequence[str],
        *,
        draws: int = 50,
        seed: int = 0,
        model: str | None = None,
        device: str | None = None,
        memory: int | None = None,
        chunk: int | None = None,
        priority: int = 5,
        force: bool = False,
    ) -> Job:
        """Ablate each task's roles on every task; `job.outcome()` is the matrix.

        Args:
            roles_jobs: Of one model, each on another task: ids, or first digits. The job waits for
                those that have not ended; one that failed leaves its task untestable.
            draws: Random sets of heads for each role.
            seed: Of these.
            model: Where the model lies now; the first roles job's place where left out.
            device: Likewise; `chunk` and `priority` are `submit`'s.
            chunk: Pairs computed at once.
            priority: 0 to 9; 9 goes first.
            force: Run again what has ended before.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            NotFoundError: No job, or more than one, has an id.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = SpecificityRequest(
            roles_jobs=roles_jobs,
            draws=draws,
            seed=seed,
            model=model,
            device=device,
            memory=memory,
            chunk=chunk,
            priority=priority,
        )
        return self.specificity_request(request, force=force)

    def specificity_request(self, request: SpecificityRequest, *, force: bool = False) -> Job:
        """`specificity`, with the request as one value."""
        self._require_worker()
        submission = self.specificity_asked(request)
        return Job(self, self.service.submit(submission, force=force), submission)

    def specificity_asked(self, request: SpecificityRequest) -> Submission:
        """The checked request, not yet sent."""
        from workers.client.stored import specificity_asked

        return specificity_asked(self.service, request)
