"""`effects`: what the roles of a motif carry to each other."""

from __future__ import annotations

from typing import Annotated

import typer

from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.following import here_or_submitted
from workers.cli.options import (
    ABLATION,
    DRAWS,
    PAIRS,
    SEED,
    AsJson,
    Chunk,
    Device,
    Force,
    Here,
    Memory,
    Priority,
    Revision,
    TaskParams,
    Wait,
    assignments,
)


@command(
    "circuits effects 3f2a --motif induction --wait",
    "circuits effects 3f2a --motif induction --ablation resample --pairs 128 --wait --json",
)
def effects(
    roles_job: Annotated[
        str,
        typer.Argument(
            metavar="ROLES_JOB",
            help="Roles job id, its first digits, or last.",
            autocompletion=suggestions.last_roles_job_ids,
        ),
    ],
    motif: Annotated[
        str, typer.Option(metavar="NAME", help="Whose edges to measure (circuits motifs).")
    ] = "induction",
    pairs: Annotated[int | None, PAIRS] = None,
    task_param: TaskParams = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is measured (the roles job's own).")
    ] = None,
    ablation: Annotated[str | None, ABLATION] = None,
    draws: Annotated[int | None, DRAWS] = None,
    seed: Annotated[int | None, SEED] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Where the model lies now: hub id or folder."),
    ] = None,
    revision: Revision = None,
    device: Device = "cpu",
    memory: Memory = None,
    chunk: Chunk = None,
    priority: Priority = 5,
    here: Here = False,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Measure what the roles of a motif carry to each other.

    All heads of one role are patched, and the change is let in through one channel of another's:
    the share of the behaviour that is lost, how much of it runs from head to head, through whom the
    rest, and what the same patch does where it should do nothing. What is left out is the roles
    job's own.
    """
    from workers.client.stored import effects_asked
    from workers.requests.effects import EffectsRequest

    request = EffectsRequest(
        roles_job=roles_job,
        motif=motif,
        pairs=pairs,
        task_params=assignments(task_param or [], "--task-param"),
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
    here_or_submitted(
        lambda client: effects_asked(client.service, request),
        lambda client: client.effects_request(request, force=force),
        here=here,
        force=force,
        wait=wait,
        as_json=as_json,
    )
