"""A claimed job always ends: well, with its error, cancelled, or back in the queue."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, LiteralString

import pytest
from neo4j import Transaction

from graph_schema.documents import Limits
from graph_schema.documents.jobs import JobProgress, JobRecord, JobState, Need
from graph_schema.errors import NonFiniteError, ResourceError, StoreUnavailable
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from tests.aged import aged
from tests.graph_schema.store.test_jobs import PLACEMENT, a_spec, queued
from tests.workers.tiny import until
from workers.client.served import put_off
from workers.job.in_one_go import InOneGo
from workers.job.lease import LONGEST_LOOK, AwakeTime, Lease
from workers.running.lifecycle import Performer
from workers.settings import Settings

SETTINGS: dict[str, Any] = {"max_attempts": 2, "graph": "bolt://unused"}
HOUR = 3600.0
"""For work to stop at its next callback; whatever does not is ended with its process: this one."""


LEASE: LiteralString = "MATCH (j:Job {job_id: $job_id}) RETURN j.lease_until AS ends"


class Nothing(InOneGo):
    """A result with nothing in it."""

    circuit_ids = ("c" * 64,)

    def write(self, tx: Transaction) -> None:
        return None


def do_nothing(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
    lease("scores", 1, 2)
    return Nothing()


def call_back(lease: Lease) -> Nothing:
    """Work without end that stops when it is told to."""
    until(lambda: bool(lease("scores", 0, 1)))
    raise AssertionError("it was not told to stop")


class Bench:
    """A performer whose messages are kept."""

    def __init__(self, store: GraphStore, settings: Settings) -> None:
        self.store = store
        self.sent: list[str] = []
        self.stop = threading.Event()
        self.performer = Performer(
            settings, store.address, "bench", self.deliver, stopping=self.stop.is_set, patience=120
        )

    def deliver(self, job_ids: Iterable[str]) -> None:
        self.sent.extend(job_ids)

    def after(self, work: Callable[[JobRecord, str, Lease], Nothing], needs: str = "") -> JobRecord:
        job_id = queued(self.store)
        assert self.performer.perform(job_id, work)
        return jobs.get(self.store, job_id)


@pytest.fixture
def bench(embedded_store: GraphStore, tmp_path: Path) -> Generator[Bench]:
    made = Bench(embedded_store, Settings(home=tmp_path, cancel_seconds=HOUR, **SETTINGS))
    yield made
    made.performer.close()


def test_a_job_done_has_succeeded_and_what_waited_is_sent(bench: Bench) -> None:
    first = queued(bench.store)
    waiting = queued(bench.store, [Need(job_id=first)])
    assert bench.performer.perform(first, do_nothing)
    record = jobs.get(bench.store, first)
    assert (record.state, record.circuit_ids) == (JobState.SUCCEEDED, ("c" * 64,))
    assert bench.sent == [waiting]
    assert not bench.performer.perform(first, do_nothing)


def test_the_lease_is_renewed_and_progress_seen_while_it_works(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, cancel_seconds=HOUR, lease_seconds=3.0, **SETTINGS)
    bench = Bench(embedded_store, settings)
    told: list[tuple[str, int, int]] = []

    def slow(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
        def ends() -> int:
            return bench.store.rows(LEASE, job_id=record.job_id)[0]["ends"]

        first = ends()
        lease("scores", 3, 9)
        # Without the thread it would have lapsed by then.
        until(lambda: ends() > first + 3000)
        step = JobProgress(stage="scores", done=3, total=9)
        until(lambda: jobs.get(bench.store, record.job_id).progress == step)
        return Nothing()

    job_id = queued(bench.store)
    assert bench.performer.perform(job_id, slow, lambda *at: told.append(at))
    bench.performer.close()
    assert told == [("scores", 3, 9)]
    assert jobs.get(bench.store, job_id).state is JobState.SUCCEEDED


def test_our_errors_keep_their_class_and_others_name_the_log(bench: Bench) -> None:
    def ours(*_: object) -> Nothing:
        raise NonFiniteError("a score is NaN")

    def theirs(*_: object) -> Nothing:
        raise KeyError("wte")

    error = bench.after(ours).error
    assert error is not None
    assert (error.type, error.message) == ("NonFiniteError", "a score is NaN")
    error = bench.after(theirs).error
    assert error is not None
    assert error.type == "JobFailed"
    assert "KeyError: 'wte'" in error.message
    assert "log" in error.message


@pytest.mark.parametrize(
    "away",
    [
        OSError(errno.ENOSPC, "No space left on device", "/a/b"),
        OSError(errno.ESTALE, "Stale file handle", "/nfs/a"),
        ResourceError("artifact 'x' cannot be written to s3://bucket: no answer"),
        StoreUnavailable("the graph database is away"),
        MemoryError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_away_for_ten_minutes_costs_no_job(bench: Bench, away: Exception) -> None:
    def works(*_: object) -> Nothing:
        raise away

    record, waited = bench.after(works), 0.0
    while waited < 600:
        assert (record.state, record.attempts) == (JobState.QUEUED, 0)
        assert bench.sent == []  # the reconciler's, after a pause
        pause = 10.0 * 2 ** (record.put_off - 1)
        why = put_off(record)
        assert why is not None
        assert "waits until" in why
        aged(bench.store, record.job_id, pause)
        waited += pause
        if waited < 600:
            assert bench.performer.perform(record.job_id, works)
            record = jobs.get(bench.store, record.job_id)
    assert bench.performer.perform(record.job_id, do_nothing)
    record = jobs.get(bench.store, record.job_id)
    assert (record.state, record.attempts) == (JobState.SUCCEEDED, 1)
    assert record.put_off == 6


def test_what_never_passes_fails_with_its_own_error(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, cancel_seconds=HOUR, put_off_seconds=0, **SETTINGS)
    bench = Bench(embedded_store, settings)

    def hungry(*_: object) -> Nothing:
        raise MemoryError

    record = bench.after(hungry)
    assert record.state is JobState.QUEUED
    aged(bench.store, record.job_id)
    assert bench.performer.perform(record.job_id, hungry)
    record = jobs.get(bench.store, record.job_id)
    bench.performer.close()
    assert record.state is JobState.FAILED
    assert record.error is not None
    assert record.error.type == ResourceError.__name__


def test_a_cancelled_job_stops_at_its_next_callback(bench: Bench) -> None:
    def works(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
        jobs.cancel(bench.store, record.job_id)
        return call_back(lease)

    assert bench.after(works).state is JobState.CANCELLED


def test_a_cancelled_job_that_calls_back_only_at_its_end_is_cancelled(bench: Bench) -> None:
    def deaf(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
        jobs.cancel(bench.store, record.job_id)
        return Nothing()

    assert bench.after(deaf).state is JobState.CANCELLED


def test_a_stopping_worker_gives_its_job_back_uncharged(bench: Bench) -> None:
    def works(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
        bench.stop.set()
        return call_back(lease)

    record = bench.after(works)
    assert (record.state, record.attempts) == (JobState.QUEUED, 0)
    assert bench.sent == [record.job_id]


def test_a_job_over_its_time_fails_and_says_how_long_it_may(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    limits = Limits(job_seconds=0.5)
    settings = Settings(home=tmp_path, limits=limits, cancel_seconds=HOUR, **SETTINGS)
    bench = Bench(embedded_store, settings)
    record = bench.after(lambda record, run_id, lease: call_back(lease))
    bench.performer.close()
    assert record.state is JobState.FAILED
    assert record.error is not None
    assert "longer than 0.5 s" in record.error.message


def test_a_worker_whose_job_was_taken_writes_nothing(bench: Bench) -> None:
    def robbed(record: JobRecord, run_id: str, lease: Lease) -> Nothing:
        jobs.release_owner(bench.store, "bench", max_attempts=9)
        return Nothing()

    record = bench.after(robbed)
    assert (record.state, record.circuit_ids) == (JobState.QUEUED, ())


def test_an_interrupted_run_is_cancelled_and_the_interrupt_passes(bench: Bench) -> None:
    def interrupted(*_: object) -> Nothing:
        raise KeyboardInterrupt

    job_id = queued(bench.store)
    with pytest.raises(KeyboardInterrupt):
        bench.performer.perform(job_id, interrupted)
    assert jobs.get(bench.store, job_id).state is JobState.CANCELLED


DEAF = """
import sys, time
from pathlib import Path
from typing import Any, LiteralString
from graph_schema.store.connection import StoreAddress
from workers.running.lifecycle import Performer
from workers.settings import Settings
uri, user, password, job_id, home = sys.argv[1:]
settings = Settings(home=Path(home), lease_seconds=3.0, cancel_seconds=1.0, graph=uri)
address = StoreAddress(uri, user, password)
performer = Performer(settings, address, "deaf", lambda job_ids: None)
performer.perform(job_id, lambda record, run_id, lease: time.sleep(3600))
"""


def test_work_that_never_calls_back_is_settled_and_its_process_ended(
    embedded_store: GraphStore, tmp_path: Path
) -> None:
    job_id = jobs.submit(embedded_store, a_spec(), PLACEMENT).record.job_id
    address = embedded_store.address
    arguments = [address.uri, address.user, address.password, job_id, str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-c", DEAF, *arguments], stderr=subprocess.PIPE)
    try:
        until(lambda: jobs.get(embedded_store, job_id).state is JobState.RUNNING)
        jobs.cancel(embedded_store, job_id)
        assert process.wait(120) == 1
    finally:
        process.kill()
        process.communicate()
    assert jobs.get(embedded_store, job_id).state is JobState.CANCELLED


def test_a_pause_between_two_looks_hardly_counts() -> None:
    told = AwakeTime(100.0)
    assert told.look(100.25) == 0.25
    assert told.look(3700.0) == 0.25 + LONGEST_LOOK
    assert told.look(3700.25) == 0.5 + LONGEST_LOOK
