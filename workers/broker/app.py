"""The queues: a Celery app, sending a job's id, and how many messages wait.

There is one for each thing that a job may need of its worker (`Demand`); a worker takes from those
that it can serve.

The broker only delivers. A message is the job id and nothing else, results stay in the graph, and a
queue that is lost costs a few seconds (`reconcile.py` sends again). Redis and a plain folder
(`filesystem:///FOLDER`) serve alike, the ten priorities included.

Each call has a connection of its own: one of Celery's pool that met an outage fails ever after.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from celery import Celery
from kombu.exceptions import KombuError
from pydantic import ValidationError

from graph_schema.documents.jobs import (
    DEMANDS,
    JobRecord,
    Offer,
    Placement,
    demand_of,
)
from graph_schema.errors import CircuitServiceError, SpecError, StoreUnavailable
from graph_schema.printable import clipped, printable, without_secrets
from graph_schema.store import jobs
from graph_schema.store.batches import lots
from graph_schema.store.connection import GraphStore
from workers.broker.folder import folder_url
from workers.broker.messages import QUEUE, REDIS_PREFIX, RUN_TASK, queue_of
from workers.broker_url import queue_folder
from workers.settings import Settings

log = logging.getLogger(__name__)

AT_ONCE = 500
"""Jobs sent over one connection, and read in one transaction."""

_MAY_FOLLOW = (
    *("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile"),
    *("ssl_keyfile", "ssl_password", "ssl_check_hostname", "ssl_ciphers"),
)
"""What may stand behind a `?`: what kombu passes on to a connection that takes it."""

CERT_REQS = ("required", "optional", "none")

# A hung interpreter is killed this long after the job should have ended itself (`lifecycle.py`).
TIME_LIMIT_SLACK = 60.0


def make_app(settings: Settings) -> Celery:
    """The Celery app for these settings; a folder queue is created, owner-only.

    Raises:
        SpecError: The broker's URL is of no kind that we know.
        StoreUnavailable: The folder cannot be made.
    """
    url, options = _transport(settings.broker_url, settings.ca_file)
    app = Celery("circuits", broker=url, include=["workers.running.tasks"], set_as_current=False)
    app.conf.update(
        broker_transport_options=options,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,  # for fairness: a busy worker reserves nothing
        task_time_limit=settings.limits.job_seconds + settings.storing_seconds + TIME_LIMIT_SLACK,
        task_publish_retry_policy={"max_retries": 3, "interval_start": 0.1, "interval_max": 1.0},
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_pool_start_method="spawn",  # torch and the driver do not survive a fork
        worker_proc_alive_timeout=120,
        worker_lost_wait=1.0,  # no result can be on its way: results are in the graph
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,  # jobs are cancelled in the graph
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def queues_of(offer: Offer) -> list[str]:
    """The queues that such a worker takes from; of messages alike the first queue's goes first."""
    return [queue_of(demand) for demand in offer.demands()]


def send(app: Celery, *records: JobRecord) -> None:
    """Put the ids of these jobs on the queue, over one connection.

    Raises:
        StoreUnavailable: The broker cannot be reached. The jobs are safe: a worker sends them
            later, those too that this has sent already.
    """
    try:
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            publish(app, producer, records)
    except broker_errors() as error:
        raise unreachable(app, error) from error


def publish(app: Celery, producer: Any, records: Iterable[JobRecord]) -> None:
    """Send these jobs' messages through a producer; what fails is one of `broker_errors`."""
    for record in records:
        app.send_task(
            RUN_TASK,
            args=[record.job_id],
            queue=queue_of(demand_of(record.placement)),
            priority=9 - _priority(record),  # kombu serves 0 first; ours 9
            producer=producer,
            # A client may not write what a queue is bound to; who takes from it does.
            declare=[],
            # Where the task is registered, as in a worker, Celery would copy its own limits
            # into the message, which is then none of ours (`messages.py`).
            time_limit=None,
            soft_time_limit=None,
            expires=None,
        )


def _priority(record: JobRecord) -> int:
    """How urgent it is. A placement that cannot be read holds up no other job of its batch."""
    try:
        return Placement.model_validate_json(record.placement).priority
    except ValidationError:
        log.warning("job %s has a placement that cannot be read", record.job_id[:12])
        return 5


def deliver(store: GraphStore, app: Celery, job_ids: Iterable[str]) -> None:
    """Send these jobs' messages; what the broker refuses is sent by the reconciler later."""
    for batch in lots(job_ids, AT_ONCE):
        try:
            send(app, *jobs.get_all(store, batch))
        except CircuitServiceError as error:
            extra = {"job_id": batch[0]} if len(batch) == 1 else {}
            which = f"job {batch[0][:12]} is" if len(batch) == 1 else f"{len(batch)} jobs are"
            log.warning("%s not sent yet: %s", which, error, extra=extra)


def queue_depth(app: Celery) -> int:
    """How many messages wait to be delivered, in all queues together.

    Raises:
        StoreUnavailable: The broker cannot be reached.
    """
    return sum(queue_depths(app).values())


def queue_depths(app: Celery) -> dict[str, int]:
    """How many messages wait to be delivered for each thing that jobs need (`Demand.name`).

    Raises:
        StoreUnavailable: The broker cannot be reached.
    """
    queues = {queue_of(demand): demand.name for demand in DEMANDS}
    try:
        with app.connection_for_write() as connection, connection.channel() as channel:
            found: dict[str, int] = cast("Any", channel).depths(list(queues))
            return {name: found[queue] for queue, name in queues.items()}
    except broker_errors() as error:
        raise unreachable(app, error) from error


def _transport(url: str, ca_file: Path | None) -> tuple[str, dict[str, Any]]:
    parts = _parts(url)
    if parts.scheme in ("redis", "rediss"):
        from workers.broker.redis_queue import redis_url

        return redis_url(_checking(url, ca_file)), {
            "queue_order_strategy": "priority",
            "priority_steps": list(range(10)),  # kombu has four, and puts what lies between in them
            "socket_keepalive": True,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "health_check_interval": 25,
        }
    if (folder := queue_folder(url)) is not None:
        try:
            return folder_url(folder)
        except OSError as error:
            raise _no_folder(str(folder), error) from error
        except ValueError as error:
            raise SpecError(
                f"broker {without_secrets(url)!r} names no folder: {error}; expected "
                "filesystem:///FOLDER (CIRCUITS_BROKER)"
            ) from error
    raise SpecError(
        f"broker {without_secrets(url)!r} is of no kind we know; expected redis://HOST:PORT/0, "
        "rediss://… or filesystem:///FOLDER (CIRCUITS_BROKER)"
    )


def _parts(url: str) -> SplitResult:
    """The pieces of an address. What is wrong is not repeated: it may be a piece of a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        number = parts.path.removeprefix("/") or "0"
        written = number.isascii() and number.isdigit() and not parts.fragment
        asked = parse_qsl(parts.query, keep_blank_values=True)
        (parts.hostname or "").encode("idna")
        if parts.scheme not in ("redis", "rediss"):
            return parts
        whole = asked or not parts.query
        if parts.hostname and written and whole and url == url.strip() and url.isprintable():
            if "@" not in parts.query:  # else it may be the rest of a password
                _check_options(url, [name for name, _ in asked])
            if {name for name, _ in asked} <= set(_MAY_FOLLOW):
                return parts
    except ValueError:  # a UnicodeError is one
        pass
    raise SpecError(
        f"broker {without_secrets(url)!r} has a host, port or number that cannot be read; expected "
        "redis://USER:PASSWORD@HOST:PORT/0, in a password %2F for /, %3F for ?, %23 for #, %40 for "
        "@, %5B for [ and %25 for %; "
        f"behind a ? {', '.join(_MAY_FOLLOW)} (CIRCUITS_BROKER)"
    )


def _check_options(url: str, names: Iterable[str]) -> None:
    """Refuse what may not stand behind a `?`, by its name."""
    for name in names:
        if name not in _MAY_FOLLOW:
            raise SpecError(
                f"broker {without_secrets(url)!r} has an option "
                f"{clipped(printable(without_secrets(name)), 80)!r} that is not taken; behind a ? "
                f"may stand {', '.join(_MAY_FOLLOW)} (CIRCUITS_BROKER)"
            )


def _checking(url: str, ca_file: Path | None) -> str:
    """The URL, of which `rediss://` checks the server unless it says otherwise itself."""
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    given = dict(parse_qsl(parts.query))
    how = given.setdefault("ssl_cert_reqs", "required")
    if how not in CERT_REQS:
        raise SpecError(
            f"broker {without_secrets(url)!r} has ssl_cert_reqs={how!r}; expected one of "
            f"{', '.join(CERT_REQS)} (CIRCUITS_BROKER)"
        )
    if ca_file is not None:
        given.setdefault("ssl_ca_certs", str(ca_file))
    return urlunsplit(parts._replace(query=urlencode(given)))


def broker_errors() -> tuple[type[Exception], ...]:
    """What kombu raises where the broker cannot be reached."""
    from redis.exceptions import RedisError

    return (KombuError, RedisError, OSError)


def unreachable(app: Celery, error: Exception) -> StoreUnavailable:
    """The error that says so, with what to do."""
    if folder := app.conf.broker_transport_options.get("folder"):
        return _no_folder(folder, error)
    url = without_secrets(app.conf.broker_url).removeprefix(REDIS_PREFIX)
    return StoreUnavailable(
        f"broker at {url} cannot be reached: {error}; see that it runs, that CIRCUITS_BROKER "
        "names it and, for rediss://, that CIRCUITS_CA_FILE names who signed its certificate"
    )


def _no_folder(folder: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"the queue's folder {folder!r} cannot be used: {error}; see that it is there, yours, "
        "and its disk has room"
    )
