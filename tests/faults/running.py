"""Jobs under random faults, and what became of them."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString

from graph_schema.errors import CircuitServiceError
from graph_schema.store.connection import GraphStore
from tests.faults.history import Facts, Happened, StoredCircuit, Verdict, check
from tests.faults.kinds import Fault
from tests.faults.rig import LEASE_SECONDS, Rig
from tests.faults.telling import tell

log = logging.getLogger(__name__)

SETTLE_SECONDS = 300.0
"""For all jobs to end when nothing is broken any more."""

JOBS: LiteralString = """
MATCH (j:Job)
RETURN j.job_id AS job_id, j.state AS state, j.error_type AS type, j.error_message AS message
"""
RUNS: LiteralString = "MATCH (r:Run) RETURN r.job_id AS job_id"
CIRCUITS: LiteralString = """
MATCH (c:Circuit)
RETURN c.circuit_id AS circuit_id, c.job_id AS job_id, c.n_edges AS n_edges
"""
EDGES: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
MATCH (n)-[e:EDGE]->(:CircuitNode)
RETURN count(e) AS n
"""


@dataclass(frozen=True)
class Outcome:
    """What a run has shown."""

    combination: str
    seed: int
    jobs: int
    """Acknowledged."""
    starts: int
    """Of jobs, by workers: more than there are jobs where some began again."""
    faults: Counter[str]
    verdict: Verdict
    seconds: float
    commits_cut: int = 0
    """Transactions that were committed, and whose clients never heard of it."""
    unsettled: int = 0
    """Jobs that had not ended when nothing was broken any more for `SETTLE_SECONDS`."""
    why: str = ""
    """What is known of the jobs that went wrong; empty where none did."""

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong; a history to which no worker appends says nothing."""
        return self.verdict.clean and not self.unsettled and self.starts >= self.jobs


def facts(store: GraphStore) -> Facts:
    """What the graph holds now."""
    circuits = [
        StoredCircuit(**row, n_stored=store.rows(EDGES, circuit_id=row["circuit_id"])[0]["n"])
        for row in store.rows(CIRCUITS)
    ]
    found = store.rows(JOBS)
    return Facts(
        states={row["job_id"]: row["state"] for row in found},
        errors={row["job_id"]: f"{row['type']}: {row['message']}" for row in found if row["type"]},
        runs=tuple(row["job_id"] for row in store.rows(RUNS)),
        circuits=tuple(circuits),
    )


def one_after_another(rng: random.Random, faults: Sequence[Fault]) -> Iterable[Fault]:
    """All of them in some order, then again in another."""
    while True:
        yield from rng.sample(faults, len(faults))


def run(rig: Rig, faults: Sequence[Fault], *, jobs: int, seed: int, gap: int) -> Outcome:
    """Submit so many jobs, and break something after every `gap` of them, while they are done."""
    began = time.monotonic()
    rng = random.Random(f"{seed} {rig.combination}")
    struck = Counter[str]()
    coming = iter(one_after_another(rng, [fault for fault in faults if fault.fits(rig)]))
    for number in range(1, jobs + 1):
        rig.submit(seed * 1_000_000 + number)
        if number % gap == 0:
            fault = next(coming)
            log.info("%s: %d of %d jobs asked for; %s", rig.combination, number, jobs, fault.name)
            try:
                fault.strike(rig, rng)
            except CircuitServiceError as error:
                log.info("nothing to break: %s", error)
            else:
                struck[fault.name] += 1
            rig.until(lambda: rig.live() <= 2 * gap, SETTLE_SECONDS)
    unsettled = _settled(rig)
    events = rig.history.events()
    with rig.store() as store:
        found = facts(store)
    verdict = check(events, found)
    return Outcome(
        combination=rig.combination,
        seed=seed,
        jobs=sum(event.what is Happened.ACKNOWLEDGED for event in events),
        starts=sum(event.what is Happened.STARTED for event in events),
        faults=struck,
        verdict=verdict,
        seconds=time.monotonic() - began,
        commits_cut=sum(worker.proxy.commits_cut for worker in rig.workers),
        unsettled=unsettled,
        why=tell(verdict, events, found, (rig.folder, rig.settings.log_dir)),
    )


def _settled(rig: Rig) -> int:
    """Wait for all to end, and for whoever is late; how many have not."""
    try:
        rig.until(lambda: rig.live() == 0, SETTLE_SECONDS)
    except AssertionError:
        return rig.live()
    rig.pause(LEASE_SECONDS)
    return rig.live()
