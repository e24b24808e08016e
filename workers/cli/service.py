"""Commands about the service: `demo`, `up`, `down`, `status`, `worker`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from graph_schema.errors import SpecError
from graph_schema.reports import cell
from workers.cli.app import command
from workers.cli.options import AsJson
from workers.cli.output import emit, emit_json, marks, page_width, say
from workers.client import CircuitClient
from workers.settings import Settings, read_settings


@command("circuits demo")
def demo() -> None:
    """See it work: is induction the same circuit in three families of models?

    Trains three small models and a control (once, then cached), finds circuits in them, who plays
    which role and what roles carry to each other, all through queue and worker, and says what holds
    of how many. Then it shows the Cypher that finds this. Nothing is downloaded.
    """
    from workers.cli.demo import submit_demo, train_models
    from workers.cli.demo_telling import next_steps, tell
    from workers.local.service import require_worker

    with CircuitClient() as client:
        if client.settings.local:
            require_worker(client.settings)
        say(f"models: trained where they are not in {client.settings.cache_dir / 'zoo'}")
        models = train_models(client.settings)
        job = submit_demo(client, models)
        say(f"job {job.job_id} and those that it needs go through queue, worker and graph")
        found = job.outcome()
        tell(client, models, found, emit, width=page_width(), marks=marks())
    say(f"\n{next_steps(found)}")


@command("circuits up")
def up(as_json: AsJson = False) -> None:
    """Start the local service and keep it.

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
)
def worker() -> None:
    """Run one worker, in the foreground.

    For the broker and graph of the settings; the local ones where none are named. Ctrl-C or SIGTERM
    stops it, and a running job goes back to the queue.
    """
    from workers.local.service import ensure_local, hold, require_worker
    from workers.running.tasks import log_to_standard_error
    from workers.running.worker import run_worker

    settings = read_settings()
    require_worker(settings)
    log_to_standard_error()
    if not settings.local:
        sys.exit(run_worker(settings))
    with hold(settings):
        address = ensure_local(settings, worker=False).address
        sys.exit(run_worker(settings.at(address)))


def service_status(settings: Settings) -> dict[str, Any]:
    """What runs, and how many jobs are queued or running."""
    from graph_schema.store.connection import GraphStore
    from graph_schema.store.jobs import count_live
    from workers.client.service import PATIENCE
    from workers.local.files import Phase
    from workers.local.service import ensure_local, status

    if settings.local:
        here = status(settings)
        found = {**asdict(here), "live_jobs": None}
        if here.phase is not Phase.READY or here.elsewhere:
            return found
        address = ensure_local(settings, worker=False).address
    else:
        found = {"running": True, "uri": settings.graph, "home": str(settings.home)}
        address = settings.store_address()
    with GraphStore(address, patience=PATIENCE) as store:
        return {**found, "live_jobs": count_live(store)}


def _print_status(settings: Settings, as_json: bool) -> None:
    found = service_status(settings)
    if as_json:
        emit_json(found)
        return
    rows = [(key.replace("_", " "), cell(value)) for key, value in found.items()]
    emit("\n".join(f"{label:<17}{text or '-'}" for label, text in rows))


def _local(name: str) -> Settings:
    settings = read_settings()
    if not settings.local:
        raise SpecError(
            f"circuits {name} is about the local service, but CIRCUITS_GRAPH names "
            f"{settings.graph}; unset it"
        )
    return settings
