"""A worker: a main process that takes messages, a child that does the jobs, one at a time.

Launch it with `python -m workers.running.worker` or `run_worker(settings)`; both take everything
from the settings (`CIRCUITS_GRAPH` must name a database) and log to standard error. SIGTERM or
SIGINT to the main process stops it gracefully within about `cancel_seconds` + 3 s: a running job
goes back to the queue and is not charged an attempt. The exit status is then 0. Where database or
broker hang, it ends `cancel_seconds` + `HANG_SECONDS` after the signal all the same, with status 1
where its own process had to be cut off. Anything harder is safe too, and costs the job an attempt.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import task_failure, worker_shutting_down

from graph_schema.artifacts import ArtifactStore
from graph_schema.documents.jobs import Offer
from graph_schema.errors import CircuitServiceError, MissingExtraError
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from workers.broker.app import QUEUE, RUN_TASK, make_app, queue_depths, queues_of
from workers.broker.messages import is_job_id
from workers.capacity import checked_offer
from workers.running.owner import owner_name
from workers.running.presence import Presence
from workers.running.quota import Ending, Quota
from workers.running.reconcile import Reconciler
from workers.running.tasks import log_as_settings_say
from workers.settings import Settings, read_settings

if TYPE_CHECKING:
    from workers.running.metrics import Metrics

log = logging.getLogger(__name__)

RECONCILER_PATIENCE = 2.0
"""The reconciler looks again soon anyway."""
RECONCILER_ANSWER = 30.0
STOP_SECONDS = 0.5
HANG_SECONDS = 9.0
"""How much longer than `cancel_seconds` a worker that is to stop may take, whatever hangs."""
LAST_SECONDS = 2.0
"""How much of that is left to the main process, when its child has been killed."""


def run_worker(settings: Settings, quota: Quota | None = None) -> int:
    """Work until told to stop, or as much as the quota says; returns the exit status.

    The environment of this process becomes that of `settings`, so that the child has them too.

    Raises:
        ResourceError: The artifact store cannot be written: a job's result would be lost; or the
            worker is to serve a device that is not here.
        MissingExtraError: It is to serve metrics, and what serves them is not installed.
        StoreUnavailable: The graph database cannot be reached.
        StoreVersionError: It is newer than this code.
    """
    address = settings.store_address()
    app = make_app(settings)
    ArtifactStore(settings.artifacts_url).require_writable()
    offer = checked_offer(settings)
    with GraphStore(address, patience=30.0) as store:
        store.migrate()
    with (
        owner_name(settings.home) as owner,
        GraphStore(address, patience=RECONCILER_PATIENCE, answer=RECONCILER_ANSWER) as store,
        Reconciler(settings, store, app, owner) as reconciler,
        Presence(settings, store, owner, offer),
        ExitStack() as stack,
    ):
        metrics, words = _served(stack, settings, app)
        told = {"owner": owner, "serves": str(offer), "words": words}
        settings.model_copy(update=told).export()
        log.info("worker %s: graph %s, serves %s", owner, address.uri, offer)
        worker = _celery_worker(app, owner, offer)
        names = [demand.name for demand in offer.demands()]
        ending = Ending(quota or Quota(), lambda: jobs.count_waiting(store, names), worker)

        def lost(job_id: str) -> None:
            reconciler.child_lost(job_id)
            if metrics is not None:
                metrics.child_lost()

        return _consume(worker, ending, lost, settings.cancel_seconds + HANG_SECONDS)


def _served(stack: ExitStack, settings: Settings, app: Celery) -> tuple[Metrics | None, str]:
    """The metrics of this process, and where its child tells of what it does; none, "" of none."""
    if settings.metrics_port is None:
        return None, ""
    try:
        from workers.running.metrics import serving
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{error.name} is not installed, which serves metrics (CIRCUITS_METRICS_PORT); run: "
            'pip install "circuit-atlas[worker]"'
        ) from error
    found = stack.enter_context(serving(settings, lambda: queue_depths(app)))
    return (None, "") if found is None else found


def _celery_worker(app: Celery, owner: str, offer: Offer) -> Any:
    app.set_default()
    # It warns a superuser of pickled messages; ours are JSON and nothing else is accepted.
    warnings.simplefilter("ignore", SecurityWarning)
    return app.Worker(  # pyright: ignore[reportCallIssue]
        hostname=f"{QUEUE}@{owner}",
        pool_cls="prefork",
        concurrency=1,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        queues=queues_of(offer),
    )


def _consume(worker: Any, ending: Ending, lost: Callable[[str], None], stop_within: float) -> int:
    worker.app.tasks[RUN_TASK].Request = ending.counting()

    def child_lost(args: list[str] | None = None, **_: Any) -> None:
        # Jobs end well or badly in the graph; a task that fails is a child that died.
        for job_id in filter(is_job_id, args or ()):
            lost(job_id)

    shutting_down = threading.Event()

    def shut_down(**_: Any) -> None:
        shutting_down.set()  # in a signal handler: nothing more

    task_failure.connect(child_lost, weak=False)
    worker_shutting_down.connect(shut_down, weak=False)
    threading.Thread(
        target=_stop_jobs, args=(worker, shutting_down, stop_within), daemon=True
    ).start()
    ending.watch()
    try:
        worker.start()
    finally:
        ending.close()
        task_failure.disconnect(child_lost)
        worker_shutting_down.disconnect(shut_down)
    return int(worker.exitcode or 0)


def _stop_jobs(worker: Any, shutting_down: threading.Event, within: float) -> None:
    """Ask the child to give its job back, again and again: one may start after the first time.

    After `within` seconds this process has ended, whatever it or its child waits for.
    """
    shutting_down.wait()
    began = time.monotonic()
    while time.monotonic() - began < within - LAST_SECONDS:
        _signal(worker, signal.SIGTERM)
        time.sleep(STOP_SECONDS)
    log.error("the job's process does not end: database or disk hang; it is killed")
    _signal(worker, signal.SIGKILL)
    time.sleep(LAST_SECONDS)
    log.error("this process hangs as well, and ends as it is")
    logging.shutdown()
    os._exit(1)


def _signal(worker: Any, number: signal.Signals) -> None:
    for pid in _children(worker):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(worker: Any) -> list[int]:
    pool = getattr(getattr(worker, "pool", None), "_pool", None)
    return [process.pid for process in getattr(pool, "_pool", ()) if process.exitcode is None]


def main() -> int:
    """`python -m workers.running.worker`."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # until Celery takes over
    try:
        log_as_settings_say()
        return run_worker(read_settings())
    except CircuitServiceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
