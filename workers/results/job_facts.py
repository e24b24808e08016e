"""What a job is, as its spec and placement say it: for lists and filters.

Read as JSON and not as documents: a job that another version of this code asked for is listed too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from graph_schema.documents.jobs import SHARD_KIND, JobRecord, JobState
from workers.results.model_and_task import model_and_task


@dataclass(frozen=True)
class JobFacts:
    """What was asked, in words; "" where a kind has no such thing.

    Attributes:
        model: Where it lay or its hub id; of several how many.
        fingerprints: Of its models.
        edges: How they are selected: `30`, `> 0.01`, `3 thresholds`.
        seconds: How long it ran, or runs, in its last attempt; None where it never did.
    """

    model: str
    fingerprints: tuple[str, ...]
    task: str
    method: str
    edges: str
    seconds: float | None

    def passes(self, model: str | None, task: str | None, method: str | None) -> bool:
        """Whether it is of this model (name, its last part, or fingerprint), task and method."""
        return (
            (model is None or self._is_of(model))
            and task in (None, self.task)
            and method in (None, self.method)
        )

    def _is_of(self, model: str) -> bool:
        names = (self.model, self.model.rstrip("/").rpartition("/")[2])
        return model in names or any(each.startswith(model) for each in self.fingerprints)


def job_facts(record: JobRecord, now: float) -> JobFacts:
    """What a job is; `now` in seconds since 1970 bounds the time of one that runs."""
    asked, placed = json.loads(record.spec), json.loads(record.placement)
    if record.kind == SHARD_KIND:
        asked = asked["discover"]
    of = asked.get("models") or [asked.get("model") or {}]
    fingerprints = tuple(each["fingerprint"] for each in of if each.get("fingerprint"))
    model, task = model_and_task(asked, placed)
    return JobFacts(
        model=model,
        fingerprints=fingerprints,
        task=task,
        method=(asked.get("method") or {}).get("name", ""),
        edges=_edges(asked.get("selection") or {}),
        seconds=_seconds(record, now),
    )


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it: `42 s`, `3 min`, `2.5 h`; "" where there is none."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3_600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"


def _edges(selection: dict[str, Any]) -> str:
    if "n_edges" in selection:
        return str(selection["n_edges"])
    if "threshold" in selection:
        return f"> {selection['threshold']:g}"
    return f"{len(selection['thresholds'])} thresholds" if "thresholds" in selection else ""


def _seconds(record: JobRecord, now: float) -> float | None:
    if record.started_at is None or record.state is JobState.QUEUED:
        return None
    end = now * 1000 if record.finished_at is None else record.finished_at
    return max(0.0, (end - record.started_at) / 1000)
