"""Commands about jobs: `submit`, `run`, `job`, `jobs`, `cancel`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import SpecError
from graph_schema.reports.nodes import shortened
from workers.cli.asking import asks_for_a_circuit
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode, exit_code
from workers.cli.options import AsJson, whole
from workers.cli.output import emit, emit_json, say
from workers.cli.remarks import remark_lines, remarks_object
from workers.cli.watching import Listed, job_table, watch_jobs
from workers.interrupts import JobInterrupted
from workers.requests.checking import choice
from workers.requests.since import moment
from workers.results.job_facts import duration, job_facts

if TYPE_CHECKING:
    from workers.client import Job
    from workers.requests.discover import DiscoverRequest

WHY_LENGTH = 60

Force = Annotated[bool, typer.Option("--force", help="Run again what has already ended.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the job to its end.")]
JobId = Annotated[str, typer.Argument(help="Job id, its first digits, or last.")]


@command(
    "circuits submit --model openai-community/gpt2 --task ioi --method eap-ig --edges 500 --wait",
    "circuits submit --model ./my-model --dataset pairs.jsonl --method eap --threshold 0.01",
)
@asks_for_a_circuit
def submit(
    request: DiscoverRequest, force: Force = False, wait: Wait = False, as_json: AsJson = False
) -> None:
    """Ask for a circuit; a worker finds it.

    The same request twice is one job.
    """
    with connected() as client:
        show_submitted(client.submit_request(request, force=force), wait, as_json)


@command("circuits run --model ./my-model --task induction --method exact --edges 30")
@asks_for_a_circuit
def run(request: DiscoverRequest, force: Force = False, as_json: AsJson = False) -> None:
    """Find a circuit here, without a queue.

    The same job as submit, done in this process, into the same graph.
    """
    from workers.running.inline import run_here

    with connected(worker=False) as client:
        report_here(lambda: run_here(client, request, force=force), as_json)


@command("circuits job 3f2a", "circuits job last --wait")
def job(job_id: JobId, wait: Wait = False, as_json: AsJson = False) -> None:
    """Show a job, or follow it.

    Its state, how far it is, what it found or why it failed.
    """
    with connected(worker=wait) as client:
        found = client.job(job_id)
        if wait:
            follow(found, as_json)
        else:
            waits = client.service.serving.unserved([found.record]).get(found.job_id)
            shards = client.service.shards_done([found.record]).get(found.job_id)
            said = client.remarks(found.job_id)
            if as_json:
                more = {"waits_for": waits} | remarks_object(said)
                emit_json(whole_object(found.record) | more)
            else:
                told = _described(found.record, waits or shards), remark_lines(said)
                emit("\n".join(filter(None, told)))


@command(
    "circuits jobs --watch",
    "circuits jobs --state running",
    "circuits jobs --task ioi --method acdc --since 3d",
)
def jobs(
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="queued, running, succeeded, failed or cancelled."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of this model: hub id, folder, or fingerprint."),
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="For this task.")] = None,
    method: Annotated[str | None, typer.Option(metavar="NAME", help="By this method.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Submitted since: 30m, 12h, 3d ago, or 2025-11-29."),
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="With this tag.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Of this kind; all but shards where none is said."),
    ] = None,
    limit: Annotated[int, typer.Option(parser=whole, metavar="N", help="At most this many.")] = 50,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until all have ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first.

    What each is of, since when, for how long it ran or runs, and what came of it, why it failed, or
    what kind of worker it waits for where none is there.
    """
    now = time.time()
    if state is not None:
        choice("state", JobState, state)  # before a local service is started
    if since is not None:
        moment(since, now)
    if watch and as_json:
        raise SpecError("--watch goes on, and --json is one value: leave one out")
    asked = {"model": model, "task": task, "method": method, "since": since, "tag": tag}
    asked["kind"] = kind
    with connected() as client:

        def ask() -> Listed:
            found = [each.record for each in client.jobs(state, limit, **asked)]
            service = client.service
            tags = service.tags_of([each.job_id for each in found])
            waits = service.serving.unserved(found)
            return Listed(found, tags, waits, service.shards_done(found))

        listed = ask()
        if watch and listed.records:
            watch_jobs(ask, _row)
            return
    if as_json:
        emit_json([job_object(each) | listed.more(each.job_id) for each in listed.records])
    elif listed.records:
        emit(job_table(listed, _row))
    else:
        say("no such job" if any((state, *asked.values())) else "no job yet: circuits submit")


@command("circuits cancel 3f2a")
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job.

    At once where it is queued, at its next step where it runs.
    """
    with connected() as client:
        found = client.job(job_id)
        if found.state.ended:
            raise SpecError(f"job {found.job_id} has already ended: {found.state.value}")
        found.cancel()
    if as_json:
        emit_json(job_object(found.record))
    elif found.state is JobState.CANCELLED:
        emit(f"job {found.job_id} is cancelled")
    else:
        emit(f"job {found.job_id} ends at its next step")


def job_object(record: JobRecord) -> dict[str, Any]:
    """A job as `--json` prints it."""
    return record.model_dump(mode="json", exclude={"spec", "placement"})


def whole_object(record: JobRecord) -> dict[str, Any]:
    """A job with what was asked and where it runs, as `job --json` prints it."""
    asked = {"spec": json.loads(record.spec), "placement": json.loads(record.placement)}
    return job_object(record) | asked


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


def _described(record: JobRecord, waits: str | None) -> str:
    now = time.time()
    asked = job_facts(record, now)
    facts = [("job", record.job_id), ("kind", record.kind), ("state", record.state.value)]
    facts += [("model", asked.model), ("task", asked.task), ("method", asked.method)]
    facts += [("edges", asked.edges), ("since", _clock(record.submitted_at))]
    facts += [("ran", duration(asked.seconds)), ("at", _step(record))]
    facts += [("attempts", str(record.attempts)), ("it", waits or "")]
    if record.error:
        facts.append(("error", f"{record.error.type}: {record.error.message}"))
    facts.extend(("circuit", found) for found in record.circuit_ids)
    return "\n".join(f"{label:<10}{text}" for label, text in facts if text)


def _row(record: JobRecord, now: float, waits: Mapping[str, str]) -> tuple[object, ...]:
    asked = job_facts(record, now)
    what = waits.get(record.job_id) or _found(record)
    if record.state is JobState.RUNNING:
        what = _step(record)
    elif record.state is JobState.FAILED and record.error is not None:
        what = shortened(f"{record.error.type}: {record.error.message}", WHY_LENGTH)
    return (
        record.job_id[:12],
        record.kind,
        record.state.value,
        asked.model.rstrip("/").rpartition("/")[2],
        asked.task,
        asked.method,
        asked.edges,
        _clock(record.submitted_at),
        duration(asked.seconds),
        record.attempts,
        what,
    )


def _clock(milliseconds: int) -> str:
    """A time of the database as this machine's clock shows it."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M")


def _step(record: JobRecord) -> str:
    step = record.progress
    if record.state is not JobState.RUNNING or step is None:
        return ""
    return f"{step.stage} {step.done}/{step.total}"


def _found(record: JobRecord) -> str:
    first = [found[:12] for found in record.circuit_ids[:1]]
    more = len(record.circuit_ids) - 1
    return " ".join([*first, f"+{more}"] if more > 0 else first)
