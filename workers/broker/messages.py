"""What a message may be: one job's id in Celery's envelope, as `send` writes it, and nothing else.

Whoever may write to the queue may write anything. What is not such a message (torn bytes, JSON of
another shape, another task, an id that is none, a wish to be done later or with other time limits)
is dropped before Celery sees it: some of it would end the worker's main process. Of the others
Celery sees the job's id and the priority in an envelope that is written here: no name, place or
text of the sender's gets into a log, or decides where a message that is put back goes. Nothing is
lost by what is dropped: the graph has the jobs, and the reconciler sends again what nobody took.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
import uuid
from typing import Any, cast

from kombu.utils.json import loads

from graph_schema.documents.jobs import DEMANDS, Demand

log = logging.getLogger(__name__)

RUN_TASK = "circuits.run"
REDIS_PREFIX = "circuits-"
"""Before the scheme of a Redis URL: chooses the transport of `redis_queue.py`."""

JOB_ID = re.compile(r"[0-9a-f]{64}")
QUEUE = "circuits"
"""Of jobs that need nothing special; the name of every other queue begins with it."""
LONGEST = 16_384
"""Bytes; ours have about 1,200."""
SHOWN = 80
"""Bytes of a dropped message that the log shows, escaped."""
UNSET = (None, [], {}, [None, None])
WISHES = ("eta", "expires", "timelimit", "group", "shadow", "stamps", "stamped_headers")
"""Headers that we never set: each would have Celery do more than start the job now."""
EMBEDDED = ("callbacks", "errbacks", "chain", "chord")


def queue_of(demand: Demand) -> str:
    """The queue of jobs that need this."""
    return QUEUE if demand == Demand() else f"{QUEUE}.{demand.name}"


QUEUES = frozenset(map(queue_of, DEMANDS))
_dropped = itertools.count(1)


def is_job_id(value: object) -> bool:
    """Whether it is the id of a job, as text."""
    return isinstance(value, str) and JOB_ID.fullmatch(value) is not None


def read_message(raw: bytes, name: str = "in Redis") -> dict[str, Any] | None:
    """The message, written anew; None where it is not one of ours, which is logged and counted.

    The log line says how many this process has dropped.

    Args:
        raw: The entry.
        name: Of the entry, for the log.
    """
    try:
        if len(raw) > LONGEST:
            raise ValueError(f"{len(raw):,} bytes")
        return _envelope(*_read(loads(raw.decode())))
    except Exception as error:  # of whatever kind: these bytes may be anybody's
        log.warning(
            "message %s holds no job id and is dropped (%d so far): %r: %s",
            name,
            next(_dropped),
            raw[:SHOWN],
            f"{type(error).__name__}: {ascii(str(error))[:SHOWN]}",
        )
        return None


def _read(message: Any) -> tuple[str, int, str]:
    """The job's id, the priority and the queue, of a message that holds nothing else.

    Where it says a queue that is none of ours it is put back into the first. Into which one does
    no harm: whoever takes a job that it cannot serve puts it where it belongs.
    """
    headers, properties = _table(message, "headers"), _table(message, "properties")
    where = _table(properties, "delivery_info")
    texts = (
        (headers, "id"),
        (properties, "delivery_tag"),
        (where, "exchange"),
        (where, "routing_key"),
    )
    for table, name in texts:
        if not isinstance(table.get(name), str):
            raise ValueError(f"{name} is no text")
    if headers.get("task") != RUN_TASK:
        raise ValueError("another task")
    for name in WISHES:
        if headers.get(name) not in UNSET:
            raise ValueError(f"{name} is set")
    if type(properties.get("priority")) is not int or type(headers.get("retries")) is not int:
        raise ValueError("priority or retries is no number")
    if not 0 <= properties["priority"] <= 9:
        raise ValueError("no such priority")
    form = (message.get("content-type"), message.get("content-encoding"))
    if form != ("application/json", "utf-8") or properties.get("body_encoding") != "base64":
        raise ValueError("not JSON in UTF-8 in base64")
    if "compression" in headers:
        raise ValueError("compressed")
    args, kwargs, embedded = json.loads(base64.b64decode(message["body"], validate=True))
    if not (isinstance(args, list) and len(cast("list[Any]", args)) == 1 and is_job_id(args[0])):
        raise ValueError("no job id")
    if kwargs != {} or any(each is not None for each in embedded.values()):
        raise ValueError("more than a job id")
    queue = where["routing_key"] if where["routing_key"] in QUEUES else QUEUE
    return args[0], properties["priority"], queue


def _envelope(job_id: str, priority: int, queue: str) -> dict[str, Any]:
    """What Celery needs of a message, and nothing of a sender's."""
    body = json.dumps([[job_id], {}, dict.fromkeys(EMBEDDED)])
    task_id = str(uuid.uuid4())
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": RUN_TASK,
            "id": task_id,
            "root_id": task_id,
            "retries": 0,
            "timelimit": [None, None],
        },
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }


def _table(of: Any, name: str) -> dict[str, Any]:
    found = of[name]
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no table")
    return cast("dict[str, Any]", found)
