"""A job that was asked for: shown and left, followed to its end, or done here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from graph_schema.documents.jobs import JobRecord, JobState
from workers.cli.connected import connected
from workers.cli.exits import ExitCode, exit_code
from workers.cli.output import emit, emit_json, say
from workers.interrupts import JobInterrupted

if TYPE_CHECKING:
    from workers.client import CircuitClient, Job
    from workers.requests.discover import Submission


def job_object(record: JobRecord) -> dict[str, Any]:
    """A job as `--json` prints it."""
    return record.model_dump(mode="json", exclude={"spec", "placement"})


def result_object(record: JobRecord, outcome: Any | None) -> dict[str, Any]:
    """A job with what it found, as `submit --wait --json` and `run --json` print them."""
    from workers.kinds import kind_of

    return {**job_object(record), **kind_of(record).json(outcome)}


def show_submitted(job: Job, wait: bool, as_json: bool) -> None:
    """Follow a job that was just submitted, or print its id and the next step."""
    if wait:
        follow(job, as_json)
    elif as_json:
        emit_json(job_object(job.record))
    else:
        emit(job.job_id)
        say(next_step(job))


def here_or_submitted(
    asked: Callable[[CircuitClient], Submission],
    submit: Callable[[CircuitClient], Job],
    *,
    here: bool,
    force: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Do a job in this process (`--here`), or submit it and show or follow it.

    Args:
        asked: The checked request, from a client of the settings.
        submit: The job of the same request, submitted.
        here: Which of the two.
        force: Run again what has already ended.
        wait: Follow a submitted job to its end.
        as_json: Print JSON for a script.
    """
    if here:
        from workers.running.inline import do_here

        with connected(worker=False) as client:
            report_here(lambda: do_here(client, asked(client), force), as_json)
        return
    with connected() as client:
        show_submitted(submit(client), wait, as_json)


def report_here(work: Callable[[], Job], as_json: bool) -> None:
    """Do a job in this process and print it; Ctrl-C cancels it and says what became of it."""
    try:
        job = work()
    except JobInterrupted as error:
        say(f"\n{error}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except KeyboardInterrupt:
        say("\ninterrupted before the job was submitted")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    report(job, as_json)


def follow(job: Job, as_json: bool) -> None:
    """Wait for the job and print it. Ctrl-C leaves it running and says how to go on."""
    try:
        job.wait()
    except KeyboardInterrupt:
        short = job.job_id[:12]
        say(
            f"\njob {job.job_id} goes on; follow it with: circuits job {short} --wait; "
            f"end it with: circuits cancel {short}"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    report(job, as_json)


def report(job: Job, as_json: bool) -> None:
    """Print an ended job; one that ended badly also says why, and ends the command so."""
    from workers.kinds import kind_of

    error = job.error
    outcome = None if error else job.outcome(progress=False)
    if as_json:
        emit_json(result_object(job.record, outcome))
    elif error is None:
        emit(kind_of(job.record).text(outcome))
    if error is not None:
        say(f"error: {error}")
        raise typer.Exit(exit_code(error))


def next_step(job: Job) -> str:
    from workers.kinds import kind_of

    short = job.job_id[:12]
    if job.state is JobState.SUCCEEDED:
        return f"it was done before; look at it with: {kind_of(job.record).look(job.record)}"
    if job.state.ended:
        return f"it {job.state.value} before; see circuits job {short}, or run it again: --force"
    return f"{job.state.value}; follow it with: circuits job {short} --wait"
