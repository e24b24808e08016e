"""What a client asks about roles. Each keyword is a field of a request in `workers/requests`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from workers.client.job import Job
from workers.client.requests import Requests
from workers.requests.roles import RolesRequest, build_roles


class RoleRequests(Requests):
    """A connection that asks who plays which role."""

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
            chunk=chunk,
            priority=priority,
        )
        return self.roles_request(request, force=force)

    def roles_request(self, request: RolesRequest, *, force: bool = False) -> Job:
        """`roles`, with the request as one value."""
        submission = build_roles(request, self.settings.limits, self.settings.cache_dir)
        self._require_worker()
        return Job(self, self.service.submit(submission, force=force), submission)
