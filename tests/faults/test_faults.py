"""Fifty jobs under faults, on each graph with each broker: none lost, none done twice, none torn.

Every kind of fault strikes once. `python -m tests.faults` is the same with thousands of jobs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.servers.java import JavaServer
from tests.faults.kinds import SHORT_OUTAGE_SECONDS, Fault, kinds
from tests.faults.rig import COMBINATIONS, Rig
from tests.faults.running import run
from tests.servers import EMPTY
from tests.workers import tiny as made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FAULTS = {fault.name: fault for fault in kinds(SHORT_OUTAGE_SECONDS)}
SHARES = {
    "embedded-folder": (
        "kill -9 of the supervisor",
        "kill -9 of the database",
        "a message tripled",
        "disk full for 5 s",
    ),
    "embedded-redis": (
        "kill -9 of a worker's child",
        "broker killed or emptied, its queue lost",
        "connection cut just after COMMIT",
        "database's clock set forward an hour",
    ),
    "neo4j-folder": (
        "kill -9 of a worker's main process",
        "child stopped past its lease, and woken",
        "a message lost",
        "a worker cut off past its lease, and let back",
        "database's clock set back a minute",
    ),
    "neo4j-redis": (
        "kill -9 of a worker's whole tree",
        "tree stopped past its lease, and woken",
        "a message late",
        f"database away for {SHORT_OUTAGE_SECONDS:g} s",
        "all connections cut",
    ),
}
JOBS = {"embedded-folder": 12, "embedded-redis": 12, "neo4j-folder": 13, "neo4j-redis": 13}
GAPS = {name: JOBS[name] // len(share) for name, share in SHARES.items()}
"""Jobs between one fault and the next, so that all of a share come, and hardly one twice."""
NEEDS = {"neo4j": pytest.mark.needs_neo4j, "redis": pytest.mark.needs_redis}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> made.Tiny:
    return made.make_tiny(tmp_path_factory.mktemp("tiny"))


def emptied(combination: str, request: pytest.FixtureRequest) -> StoreAddress | None:
    """The session's server of this kind, where it is not to be killed, with nothing in it."""
    if combination == "embedded-folder":
        return None
    fixture = "neo4j" if combination.startswith("neo4j") else "arcadedb"
    server: JavaServer = request.getfixturevalue(fixture)
    with GraphStore(server.address) as store:
        store.write(lambda tx: tx.run(EMPTY).consume())
    return server.address


def test_every_kind_of_fault_has_its_place() -> None:
    assert sorted(name for share in SHARES.values() for name in share) == sorted(FAULTS)
    assert sum(JOBS.values()) == 50
    assert all(JOBS[name] // GAPS[name] >= len(share) for name, share in SHARES.items())


@pytest.mark.parametrize(
    "combination",
    [
        pytest.param(each, marks=[mark for part, mark in NEEDS.items() if part in each])
        for each in COMBINATIONS
    ],
)
def test_nothing_is_lost_done_twice_or_torn(
    combination: str, tiny: made.Tiny, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    faults: list[Fault] = [FAULTS[name] for name in SHARES[combination]]
    jobs = JOBS[combination]
    with Rig(combination, tmp_path / "rig", tiny, emptied(combination, request)) as rig:
        outcome = run(rig, faults, jobs=jobs, seed=1, gap=GAPS[combination])
        struck = {fault.name for fault in faults if fault.fits(rig)}
    assert outcome.clean, f"{outcome.why}\n{outcome}"
    assert outcome.jobs == jobs
    assert set(outcome.faults) == struck
    if "connection cut just after COMMIT" in struck:
        assert outcome.commits_cut, "no answer to a COMMIT was lost"
