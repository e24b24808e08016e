"""`universality`: does a motif hold over models; `report`: what was found, in several forms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.documents.jobs import UniversalitySpec, read_spec
from graph_schema.errors import SpecError
from graph_schema.reports import table
from workers.cli import suggestions
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode, exit_code
from workers.cli.following import follow, next_step
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
from workers.cli.output import emit, emit_json, say
from workers.files import check_free, write_whole
from workers.requests.checking import unknown

if TYPE_CHECKING:
    from workers.client import CircuitClient, Job

FORMATS = ("text", "markdown", "json", "html")


@command(
    "circuits universality induction --task induction --model ./a --model ./b --model ./c --wait",
    "circuits universality induction --task induction --model ./a --model ./b --stress zero --json",
)
def universality(
    motif: Annotated[
        str,
        typer.Argument(
            help="Name of a motif of roles; `circuits motifs` lists them.",
            autocompletion=suggestions.motifs,
        ),
    ],
    model: Annotated[
        list[str],
        typer.Option(
            metavar="MODEL",
            help="Hub id, folder or zoo:llama/1; give several.",
            autocompletion=suggestions.models,
        ),
    ],
    task: Annotated[str | None, TASK] = None,
    task_param: TaskParams = None,
    pairs: Annotated[int | None, PAIRS] = None,
    dataset: OwnPairs = None,
    heldout: Annotated[str | None, HELDOUT] = None,
    label: Label = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="What finds circuits: exact, eap or eap-ig.")
    ] = "eap-ig",
    edges: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="N", help="Edges of a circuit (a tenth of the model's)."
        ),
    ] = None,
    circuits: Annotated[
        int, typer.Option(parser=whole, metavar="N", help="Low-overlap circuits of each model.")
    ] = 3,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What effects are measured in (the task's).")
    ] = None,
    ablation: Annotated[str, ABLATION] = "corrupt",
    stress: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Ablation of the stress test, or none (mean, or corrupt)."
        ),
    ] = None,
    also_task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Another task, or FILE.jsonl, on which the roles are ablated too; repeatable.",
        ),
    ] = None,
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
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Ask whether models do a task by the same roles and the same wiring.

    Submits what is missing of each model (circuits, roles, effects), and a job that judges them. A
    model that fails, or does not do the task, is untestable and speaks for neither side.
    """
    from workers.requests.universality import UniversalityRequest

    request = UniversalityRequest(
        motif=motif,
        models=model,
        task=task,
        task_params=assignments(task_param or [], "--task-param"),
        pairs=pairs,
        dataset=dataset,
        heldout=heldout,
        label=label,
        method=method,
        n_edges=edges,
        circuits=circuits,
        metric=metric,
        ablation=ablation,
        stress=stress,
        also_tasks=also_task or (),
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
    )
    with connected() as client:
        job = client.universality_request(request, force=force)
        if not wait and not job.state.ended:
            if as_json:
                emit_json(_unfinished(job))
            else:
                emit(job.job_id)
                say(next_step(job))
        elif as_json:
            from workers.requests.universality import fingerprints

            given = fingerprints(model, client.settings.cache_dir)
            _print_object(job, given)
        else:
            follow(job, False)


def _unfinished(job: Job) -> dict[str, Any]:
    """The object that it will print, with nothing found in it yet, or why nothing was."""
    from workers.results.universality import Universality

    error, spec = job.record.error if job.state.ended else None, read_spec(job.record.spec)
    assert isinstance(spec, UniversalitySpec)
    asked = {"motif": spec.motif.name, "task": spec.data.task_name}
    told = {"job_id": job.job_id, "state": job.state.value} | Universality.no_json() | asked
    return told | {"error": error and error.model_dump(mode="json")}


def _print_object(job: Job, given: Mapping[str, str]) -> None:
    """Wait for the job and print exactly the object that says what it found."""
    try:
        job.wait()
    except KeyboardInterrupt:
        say(f"\njob {job.job_id} goes on; the same command follows it")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if (error := job.error) is not None:
        emit_json(_unfinished(job))
        say(f"error: {error}")
        raise typer.Exit(exit_code(error))
    emit_json(job.outcome(progress=False).to_json(given))


@command(
    "circuits report",
    "circuits report 3f2a --format html --out report.html",
    "circuits report 3f2a --format markdown",
)
def report(
    verdict: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERDICT]",
            help="Id of a verdict or of a universality job, or its first digits; without one, all "
            "verdicts are listed.",
            autocompletion=suggestions.verdict_ids,
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, markdown or html.")
    ] = "text",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it (standard output).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a verdict with all that it rests on.

    Role graphs, depth of roles, effects with their controls, scope, assumptions, stress test, what
    would change it; every figure with the Cypher and the job that gave it.
    """
    if form not in FORMATS:
        raise SpecError(unknown("format", form, FORMATS))
    form = "json" if as_json else form
    if out is not None:
        check_free(out, force)
    with connected(worker=False) as client:
        if verdict is None:
            _list(client, form)
            return
        found = client.report(verdict)
    if form == "json" and out is None:
        emit_json(found.to_json())
        return
    text = found.form(form)
    if out is None:
        emit(text)
    else:
        write_whole(out, text.encode(), force=force)
        say(f"wrote {out}")


def _list(client: CircuitClient, form: str) -> None:
    rows = client.verdicts()
    if form == "json":
        emit_json(rows)
        return
    if not rows:
        say("no verdict yet: circuits universality MOTIF --task NAME --model A --model B")
        return
    shown = [
        (
            row["verdict_id"][:12],
            row["motif"],
            row["task"],
            row["rung"] + (", directly" if row["path"] == "direct" else ""),
            row["outcome"],
            f"{row['k']} of {row['n']}",
            row["low"],
            row["high"],
        )
        for row in rows
    ]
    columns = ("verdict", "motif", "task", "said of", "outcome", "models", "low", "high")
    emit(table(columns, shown))
