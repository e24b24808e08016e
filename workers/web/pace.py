"""How long a running job will take for the rest of its stage, by how fast it went while watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from graph_schema.documents.jobs import JobRecord, JobState

LEAST_SECONDS = 2.0
MOST_WATCHED = 1_000


@dataclass(frozen=True)
class _Seen:
    stage: str
    done: int
    at: float


class Paces:
    """What was first seen of each job's stage; several threads may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: dict[str, _Seen] = {}
        self._guard = threading.Lock()

    def left(self, record: JobRecord) -> float | None:
        """Seconds that the job's stage will still take; None where nobody can tell yet."""
        step = record.progress
        if record.state is not JobState.RUNNING or step is None or step.total <= 0:
            return None
        now, key = self._clock(), f"{record.job_id} {record.attempts}"
        with self._guard:
            first = self._first.get(key)
            if first is None or first.stage != step.stage or first.done > step.done:
                self._first[key] = _Seen(step.stage, step.done, now)
                while len(self._first) > MOST_WATCHED:
                    del self._first[next(iter(self._first))]
                return None
        seconds, made = now - first.at, step.done - first.done
        if seconds < LEAST_SECONDS or made <= 0:
            return None
        return seconds / made * max(0, step.total - step.done)
