"""Log lines of processes that work: as text or as JSON, with the job that they are about.

What a record says may hold what a user sent (a model's name, an error's text). It is written so
that it neither steers a terminal nor looks like a record of its own: in text every line of a record
but the first is indented, and what is not printable is escaped; in JSON a record is one line.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from graph_schema.printable import escaped

SHORT_ID = 12
"""Digits of a job's id that a line of text shows."""
INDENT = "  "

_HEAD = re.compile(rf"\S+ \S+ [A-Z]+ \d+ \S+(?: \[([0-9a-f]{{{SHORT_ID}}})\])?: ")
_job: ContextVar[str | None] = ContextVar("job", default=None)


class LogFormat(StrEnum):
    """How a record is written: for people, or as one JSON object a line for machines."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def about_job(job_id: str) -> Generator[None]:
    """Records that this thread makes in the body are about this job, whoever makes them."""
    before = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(before)


def log_to_standard_error(form: LogFormat) -> None:
    """Have this process log there, unless it logs elsewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class TextLines(logging.Formatter):
    """`TIME LEVEL PROCESS LOGGER [JOB]: MESSAGE`; further lines of it are indented."""

    def format(self, record: logging.LogRecord) -> str:
        job_id = _job_of(record)
        job = f" [{job_id[:SHORT_ID]}]" if job_id else ""
        text = record.getMessage()
        if trace := _trace_of(self, record):
            text = f"{text}\n{trace}"
        lines = [escaped(line) for line in text.split("\n")]
        head = f"{self.formatTime(record)} {record.levelname} {record.process} {record.name}{job}: "
        return head + f"\n{INDENT}".join(lines)


class JsonLines(logging.Formatter):
    """One JSON object: `time` (UTC), `level`, `process`, `logger`, `message`, `job_id`, `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        found = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            "job_id": _job_of(record),
            "trace": _trace_of(self, record),
        }
        return json.dumps({key: value for key, value in found.items() if value is not None})


def is_continued(line: str) -> bool:
    """Whether a line goes on with the record of the line before; what others print does not."""
    return line.startswith(INDENT)


def is_about(line: str, job_id: str) -> bool:
    """Whether a record that begins with this line is about the job."""
    if line.startswith("{"):
        try:
            return json.loads(line).get("job_id") == job_id
        except (ValueError, AttributeError):  # torn, or another program's
            return False
    found = _HEAD.match(line)
    return found is not None and found[1] == job_id[:SHORT_ID]


def _job_of(record: logging.LogRecord) -> str | None:
    named = getattr(record, "job_id", None)
    return named if isinstance(named, str) else _job.get()


def _trace_of(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    parts: list[str] = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts) or None
