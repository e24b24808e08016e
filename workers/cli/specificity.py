"""`specificity`: what a model's roles of one task are worth on its other tasks."""

from __future__ import annotations

from typing import Annotated

import typer

from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.following import here_or_submitted
from workers.cli.options import DEVICES, AsJson, Chunk, Force, Here, Memory, Priority, Wait, whole


@command(
    "circuits specificity --roles 3f2a --roles 9c41 --wait",
    "circuits specificity --roles 3f2a --roles 9c41 --draws 100 --wait --json",
)
def specificity(
    roles: Annotated[
        list[str],
        typer.Option(
            metavar="JOB",
            help="Roles job of a task, or its first digits; give several.",
            autocompletion=suggestions.roles_job_ids,
        ),
    ],
    draws: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Random sets of heads for each role.")
    ] = 50,
    seed: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Seed of the random sets.")
    ] = 0,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Where the model lies now: hub id or folder."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{DEVICES} (the first roles job's).")
    ] = None,
    memory: Memory = None,
    chunk: Chunk = None,
    priority: Priority = 5,
    here: Here = False,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Ablate the heads of each task's roles on every task.

    All heads of a role together: the share of each task's behaviour that is lost, beside random
    sets of as many heads alike in depth. A role of one task that another task does without is
    specific to it.
    """
    from workers.requests.specificity import SpecificityRequest

    request = SpecificityRequest(
        roles_jobs=roles,
        draws=draws,
        seed=seed,
        model=model,
        device=device,
        memory=memory,
        chunk=chunk,
        priority=priority,
    )
    here_or_submitted(
        lambda client: client.specificity_asked(request),
        lambda client: client.specificity_request(request, force=force),
        here=here,
        force=force,
        wait=wait,
        as_json=as_json,
    )
