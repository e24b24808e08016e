"""`evaluate`: judge a stored circuit, ours or imported."""

from __future__ import annotations

from typing import Annotated

import typer

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
    CircuitId,
    Device,
    Force,
    Here,
    Label,
    Memory,
    OwnPairs,
    Priority,
    Revision,
    TaskParams,
    Wait,
    assignments,
)


@command(
    "circuits evaluate 3f2a --task ioi --pairs 64 --wait",
    "circuits evaluate 3f2a --dataset pairs.jsonl --ablation mean --evaluation full --here --json",
)
def evaluate(
    circuit: CircuitId,
    task: Annotated[str | None, TASK] = None,
    task_param: TaskParams = None,
    pairs: Annotated[int | None, PAIRS] = None,
    dataset: OwnPairs = None,
    heldout: Annotated[str | None, HELDOUT] = None,
    label: Label = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Where the circuit's model lies now: hub id or folder."),
    ] = None,
    revision: Revision = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is measured (the circuit's own).")
    ] = None,
    ablation: Annotated[str | None, ABLATION] = None,
    draws: Annotated[int | None, DRAWS] = None,
    bos: Annotated[bool | None, BOS] = None,
    answers: Annotated[str | None, ANSWERS] = None,
    misfits: Annotated[str | None, MISFITS] = None,
    evaluation: Annotated[str, typer.Option(metavar="PRESET", help="quick or full.")] = "quick",
    seed: Annotated[int | None, SEED] = None,
    dtype: Annotated[str | None, DTYPE] = None,
    device: Device = "cpu",
    memory: Memory = None,
    chunk: Chunk = None,
    priority: Priority = 5,
    here: Here = False,
    force: Force = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Judge a stored circuit, ours or imported.

    What is left out is the circuit's own: the pairs of its job or its import, and the metric,
    ablation, dtype and seed that its figures stand on. The evaluation is kept beside the circuit;
    an imported circuit shows its first one as its own.
    """
    from workers.client.stored import evaluation_asked
    from workers.requests.evaluate import EvaluateRequest

    request = EvaluateRequest(
        circuit=circuit,
        task=task,
        task_params=assignments(task_param or [], "--task-param"),
        pairs=pairs,
        dataset=dataset,
        heldout=heldout,
        label=label,
        model=model,
        revision=revision,
        metric=metric,
        ablation=ablation,
        draws=draws,
        add_bos=bos,
        answers=answers,
        misfits=misfits,
        evaluation=evaluation,
        seed=seed,
        dtype=dtype,
        device=device,
        memory=memory,
        chunk=chunk,
        priority=priority,
    )
    here_or_submitted(
        lambda client: evaluation_asked(client.service, request),
        lambda client: client.evaluate_request(request, force=force),
        here=here,
        force=force,
        wait=wait,
        as_json=as_json,
    )
