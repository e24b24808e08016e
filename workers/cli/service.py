"""Commands about the service: `demo`, `up`, `down`, `status`, `worker`."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph_schema.errors import SpecError, StoreUnavailable
from graph_schema.printable import without_secrets
from graph_schema.reports import cell, table
from workers.cli.command_line import command
from workers.cli.connected import connected
from workers.cli.exits import ExitCode
from workers.cli.options import AsJson, real, whole
from workers.cli.output import emit, emit_json, marks, page_width, say
from workers.results.job_facts import duration
from workers.settings import Settings, read_settings

if TYPE_CHECKING:
    from workers.running.quota import Quota


@command("circuits demo", "circuits demo --web")
def demo(
    in_browser: Annotated[
        bool, typer.Option("--web", help="Then show the circuit in a browser, until Ctrl-C.")
    ] = False,
) -> None:
    """See it work: is induction the same circuit in three families of models?

    Trains three small models and a control (once, then cached), finds circuits in them, who plays
    which role and what roles carry to each other, all through queue and worker, and says what holds
    of how many. Then it shows the Cypher that finds this. Nothing is downloaded.
    """
    from workers.cli.demo import submit_demo, train_models
    from workers.cli.demo_telling import next_steps, tell, told_circuit
    from workers.cli.web import USUAL_PORT, require_web
    from workers.local.able import require_worker

    if in_browser:  # before minutes of training
        require_web()
    with connected() as client:
        if client.settings.local:
            require_worker(client.settings)
        say(f"models: trained where they are not in {client.settings.cache_dir / 'zoo'}")
        models = train_models(client.settings)
        job = submit_demo(client, models)
        say(f"job {job.job_id} and those that it needs go through queue, worker and graph")
        found = job.outcome()
        tell(client, models, found, emit, width=page_width(), marks=marks())
        say(f"\n{next_steps(found)}")
        if in_browser:
            from workers.web.serving import serve, usual_port

            say("\nthe same circuit in a browser, with the jobs that found it and the verdicts:")
            port, first = usual_port(USUAL_PORT), told_circuit(models, found)
            serve(client, "127.0.0.1", port, (), open_browser=True, tell=say, circuit=first)


@command("circuits up")
def up(as_json: AsJson = False) -> None:
    """Start the local service and keep it; its worker comes with the first job.

    Without this it starts with the first command that needs it, and ends when nobody has used it
    for five minutes and no job is live.
    """
    from workers.local.service import ensure_local, hold, pin

    settings = _local("up")
    pin(settings)
    with hold(settings):
        ensure_local(settings)
        pin(settings)  # again: a `down` at the same time may have taken it away
    _print_status(settings, as_json)


@command("circuits down")
def down(as_json: AsJson = False) -> None:
    """Stop the local service.

    A running job goes back to the queue, and on when the service starts again.
    """
    from workers.local.ending import Ended
    from workers.local.ending import down as stop_local

    settings = _local("down")
    ended = stop_local(settings)
    if as_json:
        stopped = ended is not Ended.NOTHING
        emit_json({"home": str(settings.home), "stopped": stopped, "how": ended.value})
    else:
        emit(f"{ended.value}: {settings.home}")


@command("circuits status", "circuits status --json")
def status(as_json: AsJson = False) -> None:
    """Show what runs and what waits.

    Starts nothing: a local service that does not run is said so.
    """
    _print_status(read_settings(), as_json)


@command(
    "circuits worker",
    "CIRCUITS_GRAPH=bolt://db:7687 CIRCUITS_BROKER=redis://queue:6379/0 circuits worker",
    "circuits worker --idle-exit 600 --serves cuda",
)
def worker(
    once: Annotated[
        bool, typer.Option("--once", help="End after one job, or at once where none waits.")
    ] = False,
    max_jobs: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="End after N jobs.")
    ] = None,
    idle_exit: Annotated[
        float | None,
        typer.Option(parser=real, metavar="SECONDS", help="End when no job came for so long."),
    ] = None,
    serves: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Devices, with GiB of memory: cpu:64,cuda:80 (all there is). Other jobs it leaves "
            "to other workers.",
        ),
    ] = None,
) -> None:
    """Run one worker, in the foreground.

    For the broker and graph of the settings; the local ones where none are named. Ctrl-C or SIGTERM
    stops it, and a running job goes back to the queue.
    """
    quota = _quota(once, max_jobs, idle_exit)
    from workers.local.able import require_worker
    from workers.local.service import ensure_local, hold
    from workers.running.tasks import log_as_settings_say
    from workers.running.worker import run_worker

    settings = read_settings(serves=serves)
    require_worker(settings)
    log_as_settings_say()
    if not settings.local:
        sys.exit(run_worker(settings, quota))
    with hold(settings):
        address = ensure_local(settings, worker=False).address
        sys.exit(run_worker(settings.at(address), quota))


def _quota(once: bool, max_jobs: int | None, idle_exit: float | None) -> Quota:
    from workers.running.quota import Quota

    if once and (max_jobs is not None or idle_exit is not None):
        raise SpecError("--once is --max-jobs 1 that waits for no job: leave the others out")
    for name, value in (("--max-jobs", max_jobs), ("--idle-exit", idle_exit)):
        if value is not None and not 0 < value < math.inf:
            raise SpecError(f"{name} is {value:g}; expected a number above 0")
    return Quota.once() if once else Quota(max_jobs, idle_exit)


def service_status(settings: Settings) -> dict[str, Any]:
    """What runs, how many jobs are queued or running, who works, and what waits in which queue.

    `queues` is None where the broker does not answer, and `broker_error` says why.
    """
    from graph_schema.store.connection import GraphStore
    from graph_schema.store.jobs import count_live
    from graph_schema.store.records.workers import live_workers
    from workers.broker import make_app, queue_depths
    from workers.client.service import PATIENCE
    from workers.local.files import Phase
    from workers.local.goes_by import differences
    from workers.local.service import ensure_local, status

    if settings.local:
        here = status(settings)
        nothing = dict.fromkeys(("live_jobs", "queues", "broker_error", "workers"))
        found: dict[str, Any] = {**asdict(here), **nothing}
        found["differences"] = []
        if here.running:
            found["differences"] = [asdict(each) for each in differences(settings)]
        if here.phase is not Phase.READY or here.elsewhere:
            return found
        address = ensure_local(settings, worker=False).address
    else:
        found: dict[str, Any] = {
            "running": True,
            "uri": without_secrets(settings.graph or ""),
            "home": str(settings.home),
        }
        address = settings.store_address()
    with GraphStore(address, patience=PATIENCE) as store:
        found |= {"live_jobs": count_live(store), "queues": None, "broker_error": None}
        workers = [each.model_dump() for each in live_workers(store)]
    app = make_app(settings)
    try:
        found["queues"] = queue_depths(app)
    except StoreUnavailable as error:
        found["broker_error"] = str(error)
    finally:
        app.close()
    return found | {"workers": workers}


def _print_status(settings: Settings, as_json: bool) -> None:
    found = service_status(settings)
    if as_json:
        emit_json(found)
    else:
        emit(_described(found))
    if (error := found["broker_error"]) is not None:
        say(f"error: {error}")
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _described(found: dict[str, Any]) -> str:
    apart = ("queues", "workers", "broker_error", "differences")
    rows = [(key.replace("_", " "), cell(found[key])) for key in found if key not in apart]
    if found["queues"] is not None:
        waiting = [f"{name} {n}" for name, n in found["queues"].items() if n]
        rows.append(("queues", ", ".join(waiting) or "empty"))
    workers = found["workers"]
    if workers is not None:
        rows.append(("workers", f"{len(workers)} live" if workers else "none is live"))
    for each in found.get("differences", ()):
        setting, there, here = (cell(each[name]) for name in ("setting", "there", "here"))
        rows.append(("differs", f"{setting} is {there} there, {here} here (circuits down)"))
    lines = [f"{label:<17}{text or '-'}" for label, text in rows]
    if workers:
        now = time.time()
        told = [
            (
                each["worker_id"],
                each["host"],
                each["serves"],
                duration(now - each["since"] / 1000),
                f"job {each['job_id'][:12]}" if each["job_id"] else "nothing",
            )
            for each in workers
        ]
        lines += ["", table(("worker", "host", "serves", "for", "is on"), told)]
    return "\n".join(lines)


def _local(name: str) -> Settings:
    settings = read_settings()
    if not settings.local:
        raise SpecError(
            f"circuits {name} is about the local service, but CIRCUITS_GRAPH names "
            f"{without_secrets(settings.graph or '')}; unset it"
        )
    return settings
