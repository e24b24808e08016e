"""`roles`: which heads play which roles in a model's behaviour."""

from __future__ import annotations

from typing import Annotated

import typer

from graph_schema.documents import RoleName
from workers.cli.command_line import command
from workers.cli.following import here_or_submitted
from workers.cli.options import (
    ABLATION,
    ANSWERS,
    BOS,
    DRAWS,
    DTYPE,
    HELDOUT,
    MISFITS,
    PAIRS,
    SEED,
    TASK,
    AsJson,
    Chunk,
    Device,
    Force,
    Here,
    Label,
    Memory,
    Model,
    OwnPairs,
    Priority,
    Revision,
    TaskParams,
    Wait,
    assignments,
    whole,
)


@command(
    "circuits roles --model ./my-model --task induction --wait",
    "circuits roles --model openai-community/gpt2 --task ioi --role name_mover --role s_inhibition",
)
def roles(
    model: Model,
    task: Annotated[str | None, TASK] = None,
    task_param: TaskParams = None,
    pairs: Annotated[int | None, PAIRS] = None,
    dataset: OwnPairs = None,
    heldout: Annotated[str | None, HELDOUT] = None,
    label: Label = None,
    revision: Revision = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Test for this role alone; repeatable. Roles: {', '.join(sorted(RoleName))}.",
        ),
    ] = None,
    probes: Annotated[
        int,
        typer.Option(parser=whole, metavar="N", help="Prompts for each probe condition."),
    ] = 32,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is measured (the task's own).")
    ] = None,
    ablation: Annotated[str, ABLATION] = "corrupt",
    draws: Annotated[int, DRAWS] = 1,
    bos: Annotated[bool | None, BOS] = None,
    answers: Annotated[str, ANSWERS] = "single",
    misfits: Annotated[str, MISFITS] = "refuse",
    seed: Annotated[int, SEED] = 0,
    dtype: Annotated[str, DTYPE] = "float32",
    device: Device = "cpu",
    memory: Memory = None,
    chunk: Chunk = None,
    priority: Priority = 5,
    here: Here = False,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Say which heads play which roles.

    A head plays a role where its attention has the role's pattern on every kind of probe and the
    behaviour relies on it; what heads of output roles carry is tested by swapping it.
    """
    from workers.requests.roles import RolesRequest, build_roles

    request = RolesRequest(
        model=model,
        revision=revision,
        task=task,
        task_params=assignments(task_param or [], "--task-param"),
        dataset=dataset,
        heldout=heldout,
        label=label,
        pairs=pairs,
        roles=role,
        probes=probes,
        metric=metric,
        ablation=ablation,
        draws=draws,
        add_bos=bos,
        answers=answers,
        misfits=misfits,
        seed=seed,
        dtype=dtype,
        device=device,
        memory=memory,
        chunk=chunk,
        priority=priority,
    )
    here_or_submitted(
        lambda client: build_roles(request, client.settings.limits, client.settings.cache_dir),
        lambda client: client.roles_request(request, force=force),
        here=here,
        force=force,
        wait=wait,
        as_json=as_json,
    )
