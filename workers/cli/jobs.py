"""Commands about jobs: `submit`, `run`, `job`, `jobs`, `cancel`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.errors import SpecError
from graph_schema.printable import shortened
from workers.cli import suggestions
from workers.cli.asking import asks_for_a_circuit
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.following import follow, job_object, report_here, show_submitted
from workers.cli.options import AsJson, Force, JobId, Tag, Wait, whole
from workers.cli.output import emit, emit_json, say
from workers.cli.remarks import remark_lines, remarks_object
from workers.cli.watching import Listed, job_table, watch_jobs
from workers.requests.since import moment
from workers.results.job_facts import duration, job_facts

if TYPE_CHECKING:
    from workers.requests.discover import DiscoverRequest

WHY_LENGTH = 60
UNTIL_LENGTH = 100


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
            waits = client.service.serving.waits([found.record]).get(found.job_id)
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
        typer.Option(
            metavar="STATE",
            help="queued, running, succeeded, failed or cancelled.",
            autocompletion=suggestions.states,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of this model: hub id, folder, or fingerprint.",
            autocompletion=suggestions.known_models,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For this task.", autocompletion=suggestions.known_tasks),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="By this method.", autocompletion=suggestions.methods),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Submitted since: 30m, 12h, 3d ago, or 2025-11-29."),
    ] = None,
    tag: Tag = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Of this kind; all but shards where none is said."),
    ] = None,
    limit: Annotated[int, typer.Option(parser=whole, metavar="N", help="At most this many.")] = 50,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until all have ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first.

    What each is of, since when, for how long it ran or runs, and what came of it, why it failed,
    until when it waits to be tried again and why, or for what kind of worker where none is there.
    """
    from workers.requests.checking import choice, kind_named

    now = time.time()
    if state is not None:
        choice("state", JobState, state)  # before a local service is started
    if since is not None:
        moment(since, now)
    if kind is not None:
        kind_named(kind)
    if watch and as_json:
        raise SpecError("--watch goes on, and --json is one value: leave one out")
    asked = {"model": model, "task": task, "method": method, "since": since, "tag": tag}
    asked["kind"] = kind
    with connected() as client:

        def ask() -> Listed:
            found = [each.record for each in client.jobs(state, limit, **asked)]
            service = client.service
            tags = service.tags_of([each.job_id for each in found])
            waits = service.serving.waits(found)
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


def whole_object(record: JobRecord) -> dict[str, Any]:
    """A job with what was asked and where it runs, as `job --json` prints it."""
    asked = {"spec": json.loads(record.spec), "placement": json.loads(record.placement)}
    return job_object(record) | asked


def _described(record: JobRecord, waits: str | None) -> str:
    now = time.time()
    asked = job_facts(record, now)
    facts = [("job", record.job_id), ("kind", record.kind), ("state", record.state.value)]
    facts += [("model", asked.model), ("task", asked.task), ("method", asked.method)]
    facts += [("edges", asked.edges), ("since", _clock(record.submitted_at))]
    facts += [("ran", duration(asked.seconds)), ("at", _step(record))]
    facts += [("attempts", str(record.attempts)), ("it", waits or "")]
    if record.error and record.state.ended:  # of one that was put off it is told before
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
    elif record.retry_at is not None:
        what = shortened(what, UNTIL_LENGTH)
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
