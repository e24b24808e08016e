"""What a client asks about many models: does a motif hold over them, and what was found of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graph_schema.documents import Motif
from workers.client.job import Job
from workers.client.role_requests import RoleRequests
from workers.requests.universality import UniversalityRequest

if TYPE_CHECKING:
    from workers.results.universality import Universality


class UniversalityRequests(RoleRequests):
    """A connection that asks about models together: `universality`, `report`, `verdicts`."""

    def universality(
        self,
        motif: str | Motif,
        models: Sequence[str],
        *,
        task: str | None = None,
        dataset: str | Path | None = None,
        heldout: str | Path | None = None,
        label: str | None = None,
        task_params: Mapping[str, Any] | None = None,
        pairs: int | None = None,
        method: str = "eap-ig",
        n_edges: int | None = None,
        circuits: int = 3,
        metric: str | None = None,
        ablation: str = "corrupt",
        stress: str | None = None,
        also_tasks: Sequence[str] = (),
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
    ) -> Job:
        """Ask whether models do a task by the same roles and wiring; `job.outcome()` is the answer.

        What is missing of each model is submitted too: circuits, roles, effects. What ended well
        before is not done again. A model whose jobs fail is untestable, with the reason.

        Args:
            motif: Its name, or a motif from `parse_motif`; of roles, one of which acts on the
                logits.
            models: Hub ids or folders; the same model twice counts once.
            task: A built-in task, or `dataset` with pairs of your own, as in `submit`.
            dataset: Likewise.
            heldout: Likewise.
            label: Likewise.
            task_params: Likewise.
            pairs: Likewise; 64 of a built-in task where left out.
            method: What finds circuits: `exact`, `eap` or `eap-ig`.
            n_edges: Edges of a circuit; a tenth of the model's, within bounds, where left out.
            circuits: Low-overlap circuits of each model.
            metric: What effects are measured in; the task's own where left out.
            ablation: What replaces what is patched.
            stress: Another ablation, by which roles and effects are measured again; `none` for no
                stress test. `mean` where left out, or `corrupt` where that is not the protocol's.
            also_tasks: Other built-in tasks, or files of pairs: of each model who plays what in
                them, and what every task's roles are worth on every task (docs/specificity.md).
            probes: Prompts a probe condition of roles.
            add_bos: As in `submit`, as the others are.
            answers: Likewise.
            misfits: Likewise.
            dtype: Likewise.
            seed: Likewise.
            device: Likewise.
            memory: Likewise.
            chunk: Likewise.
            priority: Likewise.
            force: Judge again what was judged; measurements that ended well stay.

        Raises:
            SpecError: The request is wrong; nothing was sent.
            ModelError: A model cannot be found.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        request = UniversalityRequest(
            motif=motif if isinstance(motif, str) else motif.name,
            models=models,
            task=task,
            dataset=dataset,
            heldout=heldout,
            label=label,
            task_params=task_params,
            pairs=pairs,
            method=method,
            n_edges=n_edges,
            circuits=circuits,
            metric=metric,
            ablation=ablation,
            stress=stress,
            also_tasks=also_tasks,
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
        pattern = motif if isinstance(motif, Motif) else None
        return self.universality_request(request, force=force, motif=pattern)

    def universality_request(
        self, request: UniversalityRequest, *, force: bool = False, motif: Motif | None = None
    ) -> Job:
        """`universality`, with the request as one value; `motif` where it is not one by name."""
        from graph_schema.motifs import catalogue
        from workers.requests.universality import build_universality

        settings = self.settings
        pattern = motif or catalogue().get(request.motif)
        if pattern is not None:  # every check before a service is started for nothing
            submission = build_universality(request, pattern, settings.limits, settings.cache_dir)
            self._require_worker()
        else:
            from graph_schema.motif_search import motif_named

            self._require_worker()
            pattern = motif_named(self.service.store, request.motif)
            submission = build_universality(request, pattern, settings.limits, settings.cache_dir)
        return Job(self, self.service.submit(submission, force=force), submission)

    def report(self, verdict: str) -> Universality:
        """Everything behind a verdict, by its id, its job's, or the first digits of either.

        Raises:
            NotFoundError: None, or several; or a verdict that no universality job judged.
        """
        from graph_schema.store.records.reports import find_report
        from workers.results.universality import Universality

        return Universality(find_report(self.service.store, verdict))

    def verdicts(self) -> list[dict[str, Any]]:
        """A row a stored verdict, the newest first."""
        from graph_schema.store.records.verdicts import list_verdicts

        return [dict(row) for row in list_verdicts(self.service.store)]
