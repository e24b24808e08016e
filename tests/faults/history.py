"""What happened to jobs, as it happened, and whether the graph agrees in the end.

A history is a file that is only appended to, a line an event, by whoever saw it: the client that
submitted and had its answer, the workers that began and ended. The graph's facts are read at the
end. `check` compares sets of ids: what is lost, completed twice, or torn.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Happened(StrEnum):
    SUBMITTED = "submitted"
    """A client begins to ask; it may not come to an answer."""
    ACKNOWLEDGED = "acknowledged"
    """The client was told that the job is there: from here on it must not be lost."""
    STARTED = "started"
    """A worker has it."""
    FINISHED = "finished"
    """A worker was told that its result is stored."""


@dataclass(frozen=True)
class Event:
    what: Happened
    job_id: str


@dataclass(frozen=True)
class StoredCircuit:
    """A circuit in the graph: what its manifest says, and what is there."""

    circuit_id: str
    job_id: str
    n_edges: int
    n_stored: int


@dataclass(frozen=True)
class Facts:
    """What the graph says of jobs when nothing happens any more."""

    states: dict[str, str]
    """The state of each job."""
    runs: tuple[str, ...] = ()
    """The job of each run that stored a result."""
    circuits: tuple[StoredCircuit, ...] = ()
    errors: dict[str, str] = field(default_factory=dict[str, str])
    """The error document of each job that has one, as text."""


@dataclass(frozen=True)
class Verdict:
    """Ids of jobs; all three are empty where nothing went wrong."""

    lost: frozenset[str] = frozenset()
    """Acknowledged and not succeeded, or said to be stored and not there."""
    twice: frozenset[str] = frozenset()
    """Completed by two workers, or with more than one result."""
    torn: frozenset[str] = frozenset()
    """With fewer or more edges than the manifest says."""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.twice or self.torn)


@dataclass
class History:
    """The file of events; any number of processes append to it."""

    file: Path

    def add(self, what: Happened, job_id: str) -> None:
        """Take an event down: one write, so that lines of several processes do not mix."""
        line = json.dumps({"what": what.value, "job_id": job_id}) + "\n"
        handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def events(self) -> list[Event]:
        """All of them, the oldest first."""
        lines = self.file.read_text().splitlines()
        found = (json.loads(line) for line in lines)
        return [Event(Happened(each["what"]), each["job_id"]) for each in found]


def check(events: Iterable[Event], facts: Facts) -> Verdict:
    """Whether the graph holds what clients and workers were told, once."""
    seen: dict[Happened, Counter[str]] = {what: Counter() for what in Happened}
    for event in events:
        seen[event.what][event.job_id] += 1
    told = seen[Happened.ACKNOWLEDGED].keys() | seen[Happened.FINISHED].keys()
    succeeded = {job_id for job_id, state in facts.states.items() if state == "succeeded"}
    runs, made = Counter(facts.runs), Counter(circuit.job_id for circuit in facts.circuits)
    counts = (seen[Happened.FINISHED], runs, made)
    return Verdict(
        lost=frozenset(
            job_id
            for job_id in told | succeeded
            if job_id not in succeeded or not runs[job_id] or not made[job_id]
        ),
        twice=frozenset(job_id for count in counts for job_id, n in count.items() if n > 1),
        torn=frozenset(each.job_id for each in facts.circuits if each.n_stored != each.n_edges),
    )
