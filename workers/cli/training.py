"""`training`: when along a model's training a motif comes, checkpoint by checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.errors import SpecError
from graph_schema.reports.text_picture import UNICODE
from graph_schema.reports.training import BLOCKS, PLAIN_BLOCKS, training_text
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode
from workers.cli.options import (
    ABLATION,
    ANSWERS,
    BOS,
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
    Label,
    Memory,
    OwnPairs,
    Priority,
    TaskParams,
    Wait,
    assignments,
    whole,
)
from workers.cli.output import emit, emit_json, marks, say
from workers.files import check_free, write_whole

if TYPE_CHECKING:
    from workers.client.training import TrainingJobs


@command(
    "circuits training induction --task induction --model zoo:gpt2/0 --wait --html training.html",
    "circuits training induction --task induction --model EleutherAI/pythia-70m "
    "--revisions step0,step512,step4000,step143000 --wait",
)
def training(
    motif: Annotated[
        str,
        typer.Argument(
            help="Name of a motif of roles; `circuits motifs` lists them.",
            autocompletion=suggestions.motifs,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Folder with checkpoints, zoo:gpt2/0, or hub id.",
            autocompletion=suggestions.models,
        ),
    ],
    checkpoints: Annotated[
        str, typer.Option(metavar="STEPS", help="Steps of a folder's checkpoints: all, or 0,100.")
    ] = "all",
    revisions: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="A hub id's checkpoints: step0,step512,step1000."),
    ] = None,
    task: Annotated[str | None, TASK] = None,
    task_param: TaskParams = None,
    pairs: Annotated[int | None, PAIRS] = None,
    dataset: OwnPairs = None,
    heldout: Annotated[str | None, HELDOUT] = None,
    label: Label = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What effects are measured in (the task's).")
    ] = None,
    ablation: Annotated[str, ABLATION] = "corrupt",
    probes: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Prompts a probe condition of roles.")
    ] = 32,
    bos: Annotated[bool | None, BOS] = None,
    answers: Annotated[str, ANSWERS] = "single",
    misfits: Annotated[str, MISFITS] = "refuse",
    seed: Annotated[int, SEED] = 0,
    dtype: Annotated[str, DTYPE] = "float32",
    device: Device = "cpu",
    memory: Memory = None,
    chunk: Chunk = None,
    priority: Priority = 5,
    wait: Wait = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as a page with pictures, too; waits for it."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """See when along a training behaviour, role and wiring come.

    Measures roles and effects at every checkpoint, and says from which step on each rung is
    present and stays so, with the loss beside. Checkpoints are one lineage: nothing is counted
    over them and no verdict is passed.
    """
    if html is not None:
        check_free(html, force)
    from workers.requests.training import TrainingRequest
    from workers.requests.universality import UniversalityRequest

    request = TrainingRequest(
        model=model,
        steps=_steps(checkpoints),
        revisions=[name for name in (revisions or "").split(",") if name],
        measuring=UniversalityRequest(
            motif=motif,
            models=(model,),
            task=task,
            task_params=assignments(task_param or [], "--task-param"),
            pairs=pairs,
            dataset=dataset,
            heldout=heldout,
            label=label,
            metric=metric,
            ablation=ablation,
            stress="none",
            probes=probes,
            add_bos=bos,
            answers=answers,
            misfits=misfits,
            seed=seed,
            dtype=dtype,
            device=device,
            memory=memory,
            chunk=chunk,
            priority=priority,
        ),
    )
    with connected() as client:
        jobs = client.training_request(request, force=force)
        if wait or html is not None or jobs.ended:
            _show(jobs, html, force, as_json)
        elif as_json:
            emit_json(_unfinished(jobs))
        else:
            emit("\n".join(job.job_id for job in jobs.jobs))
            say("the same command with --wait shows what they find")


def _show(jobs: TrainingJobs, html: Path | None, force: bool, as_json: bool) -> None:
    try:
        found = jobs.outcome()
    except KeyboardInterrupt:
        say("\nthe jobs go on; the same command follows them")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        emit_json(found.to_json())
    else:
        blocks = BLOCKS if marks() is UNICODE else PLAIN_BLOCKS
        emit(training_text(found.document, blocks=blocks))
    if html is not None:
        write_whole(html, found.to_html().encode(), force=force)
        say(f"wrote {html}")


def _unfinished(jobs: TrainingJobs) -> dict[str, Any]:
    """The object that it will print, with what is known before the end."""
    return {"state": "running", "jobs": {job.job_id: job.state.value for job in jobs.jobs}}


def _steps(text: str) -> list[int] | None:
    if text == "all":
        return None
    words = [word for word in text.split(",") if word]
    if not words or not all(word.isascii() and word.isdecimal() for word in words):
        raise SpecError(f"--checkpoints is {text!r}; expected all, or steps such as 0,100,200")
    return [int(word) for word in words]
