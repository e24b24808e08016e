"""What a message may be: one job's id in Celery's envelope, as `send` writes it, and nothing else.

Whoever may write to the queue may write anything. What is not exactly such a message (torn bytes,
JSON of another shape, another task, an id that is none, a wish to be done later or with other time
limits) is dropped before Celery sees it: some of it would end the worker's main process. Nothing is
lost by that: the graph has the jobs, and the reconciler sends again what nobody took.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
from typing import Any, cast

from kombu.utils.json import loads

log = logging.getLogger(__name__)

RUN_TASK = "circuits.run"
REDIS_PREFIX = "circuits-"
"""Before the scheme of a Redis URL: chooses the transport of `redis_queue.py`."""

JOB_ID = re.compile(r"[0-9a-f]{64}")
SHOWN = 80
"""Bytes of a dropped message that the log shows, escaped."""
UNSET = (None, [], {}, [None, None])
WISHES = ("eta", "expires", "timelimit", "group", "shadow", "stamps", "stamped_headers")
"""Headers that we never set: each would have Celery do more than start the job now."""

_dropped = itertools.count(1)


def is_job_id(value: object) -> bool:
    """Whether it is the id of a job, as text."""
    return isinstance(value, str) and JOB_ID.fullmatch(value) is not None


def read_message(raw: bytes, name: str = "in Redis") -> dict[str, Any] | None:
    """The message, as kombu has it; None where it is not one of ours, which is logged and counted.

    The log line says how many this process has dropped.

    Args:
        raw: The entry.
        name: Of the entry, for the log.
    """
    try:
        message = loads(raw.decode())
        _check(message)
    except Exception as error:  # of whatever kind: these bytes may be anybody's
        log.warning(
            "message %s holds no job id and is dropped (%d so far): %r: %s",
            name,
            next(_dropped),
            raw[:SHOWN],
            f"{type(error).__name__}: {ascii(str(error))[:SHOWN]}",
        )
        return None
    return message


def _check(message: Any) -> None:
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


def _table(of: Any, name: str) -> dict[str, Any]:
    found = of[name]
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no table")
    return cast("dict[str, Any]", found)
