"""The command that shows what a job's worker logged: `logs`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from graph_schema.errors import SpecError
from graph_schema.printable import printable
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode
from workers.cli.options import JobId, whole
from workers.cli.output import emit, reader_left, say
from workers.local.job_log import JobLog
from workers.log_lines import SHORT_ID

if TYPE_CHECKING:
    from workers.client import Job

LOOK_SECONDS = 0.5


@command("circuits logs 3f2a", "circuits logs last --follow")
def logs(
    job_id: JobId,
    lines: Annotated[
        int, typer.Option("--lines", parser=whole, metavar="N", help="The last so many.")
    ] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as the job does, to its end.")
    ] = False,
) -> None:
    """Show what the local service's worker logged of a job.

    Workers of a cluster log where they run: for those it says how to find the lines there.
    """
    if lines < 1:
        raise SpecError(f"--lines is {lines}; expected 1 or more")
    with connected(worker=False) as client:
        job = client.job(job_id)
        folder = client.settings.log_dir
        log = JobLog(folder, job.job_id)
        found = log.new_lines()
        _show(found[-lines:])
        if not client.settings.local:
            _tell_of_a_cluster(job)
        elif follow:
            _follow(job, log)
        elif not found:
            say(
                f"the logs in {folder} say nothing of job {job.job_id[:SHORT_ID]}: it has not "
                "begun, was done in the process that asked for it (run, --here), or it is long ago"
            )


def _follow(job: Job, log: JobLog) -> None:
    try:
        while not (ended := job.state.ended) and not reader_left():
            time.sleep(LOOK_SECONDS)
            ended = job.refresh().state.ended
            _show(log.new_lines())
            if ended:
                time.sleep(LOOK_SECONDS)  # its worker logs that it stored the end after it did
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    _show(log.new_lines())
    if ended:
        say(f"job {job.job_id[:SHORT_ID]} is {job.state.value}")


def _tell_of_a_cluster(job: Job) -> None:
    owner = job.record.owner
    say(
        f"job {job.job_id} was last had by {f'worker {owner}' if owner else 'no worker'}; workers "
        "of a cluster log to standard error, where they run: docker compose -f deploy/compose.yaml "
        "logs worker; kubectl logs -l app.kubernetes.io/name=circuits-worker; the output file of a "
        f"batch job. Its lines have [{job.job_id[:SHORT_ID]}], or this job_id where they are JSON "
        "(CIRCUITS_LOG_FORMAT=json)"
    )


def _show(lines: list[str]) -> None:
    if lines:
        emit("\n".join(map(printable, lines)))
