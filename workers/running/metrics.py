"""Figures of a worker and its service for Prometheus, served by the worker's main process.

What its child does is counted as the child tells it (`words.py`). What the whole service is in
(jobs by state, messages by queue, live workers) is asked when somebody scrapes, by threads that are
waited for `WAIT_SECONDS`, and answers serve for `FRESH_SECONDS`: a database that hangs hangs no
scrape. Labels are of fixed sets: no job's id and no name that a user gave.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from typing import Generic, TypeVar

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from graph_schema.errors import CircuitServiceError
from graph_schema.store.connection import GraphStore
from graph_schema.store.jobs.board import count_by_state
from graph_schema.store.records.workers import live_workers
from workers.kinds import KINDS
from workers.running.words import What, Word, hearing
from workers.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
WAIT_SECONDS = 2.0
"""For an answer of the graph, and then of the broker; Prometheus gives up after 10 s by itself."""
FRESH_SECONDS = 10.0
ANSWER_SECONDS = 5.0
JOB_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600)


class Asked(Generic[T]):
    """The last answer to a question that may hang; None where there is none."""

    def __init__(self, what: str, ask: Callable[[], T]) -> None:
        self._what = what
        self._ask = ask
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._began = 0.0
        self._answer: T | None = None

    def begin(self) -> None:
        """Ask, unless that is under way or was done not long ago."""
        with self._guard:
            thread, now = self._thread, time.monotonic()
            if thread is not None and (thread.is_alive() or now - self._began < FRESH_SECONDS):
                return
            self._began = now
            self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
            self._thread.start()

    def answer(self, seconds: float = WAIT_SECONDS) -> T | None:
        """What came of the last asking, waited for so long."""
        self.begin()
        thread = self._thread
        assert thread is not None
        thread.join(seconds)
        return None if thread.is_alive() else self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except CircuitServiceError as error:
            self._answer = None
            log.warning("%s cannot be told: %s", self._what, error)
        except Exception:
            self._answer = None
            log.exception("%s cannot be told", self._what)


class Metrics(Collector):
    """What is told of a worker and its service.

    Args:
        store: Asked by threads of its own; impatient.
        depths: How many messages wait for each thing that jobs need.
    """

    def __init__(self, store: GraphStore, depths: Callable[[], dict[str, int]]) -> None:
        self.registry = CollectorRegistry()
        self._graph = Asked(
            "the state of the graph",
            lambda: (count_by_state(store, shards=True), len(live_workers(store))),
        )
        self._queues = Asked("the state of the queues", depths)
        self._started = Counter(
            "circuits_jobs_started",
            "Attempts at jobs that this worker has begun.",
            ["kind"],
            registry=self.registry,
        )
        self._ended = Counter(
            "circuits_jobs_ended",
            "Attempts at jobs that this worker has ended, by how.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "circuits_job_seconds",
            "How long attempts at jobs took, however they ended.",
            ["kind"],
            buckets=JOB_SECONDS,
            registry=self.registry,
        )
        self._renewals = Counter(
            "circuits_lease_renewals_failed",
            "Renewals of a lease that the graph did not take.",
            registry=self.registry,
        )
        self._lost = Counter(
            "circuits_children_lost",
            "Processes of this worker that died at a job; it is given back.",
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def hear(self, word: Word) -> None:
        """Count what the child tells."""
        kind = word.kind if word.kind in KINDS else "other"
        if word.what is What.STARTED:
            self._started.labels(kind).inc()
        elif word.what is What.RENEWAL_FAILED:
            self._renewals.inc()
        elif word.outcome is not None:
            self._ended.labels(kind, word.outcome.value).inc()
            self._seconds.labels(kind).observe(word.seconds)

    def child_lost(self) -> None:
        """Count a child that died at a job."""
        self._lost.inc()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: else the registry would ask all when this is made."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What the service is in, as far as it can be told now, and what memory is in use."""
        for asked in (self._graph, self._queues):
            asked.begin()
        graph, queues = self._graph.answer(), self._queues.answer()
        up = GaugeMetricFamily(
            "circuits_up", "Whether graph and broker answer this worker.", labels=["part"]
        )
        up.add_metric(["graph"], float(graph is not None))
        up.add_metric(["broker"], float(queues is not None))
        yield up
        if graph is not None:
            states, n_workers = graph
            jobs = GaugeMetricFamily(
                "circuits_jobs", "Jobs of the whole service by state.", labels=["state"]
            )
            for state, n in states.items():
                jobs.add_metric([state.value], n)
            yield jobs
            yield GaugeMetricFamily(
                "circuits_workers_live", "Live workers of the whole service.", n_workers
            )
        if queues is not None:
            waiting = GaugeMetricFamily(
                "circuits_queue_messages",
                "Messages that wait in the broker, by what their jobs need.",
                labels=["needs"],
            )
            for needs, n in queues.items():
                waiting.add_metric([needs], n)
            yield waiting
        yield _memory()


def _memory() -> GaugeMetricFamily:
    memory = GaugeMetricFamily(
        "circuits_memory_bytes",
        "Resident memory of this worker's main process, and of its children.",
        labels=["process"],
    )
    own, children = psutil.Process(os.getpid()), 0
    for child in own.children(recursive=True):
        with suppress(psutil.Error):
            children += child.memory_info().rss
    memory.add_metric(["main"], own.memory_info().rss)
    memory.add_metric(["children"], children)
    return memory


@contextmanager
def serving(
    settings: Settings, depths: Callable[[], dict[str, int]]
) -> Generator[tuple[Metrics, str] | None]:
    """Metrics that are served until the block ends, and the path that a child tells at.

    None where there is no place for them, which is logged: jobs matter more.
    """
    port, address = settings.metrics_port, settings.metrics_address
    assert port is not None
    with (
        GraphStore(settings.store_address(), patience=0.0, answer=ANSWER_SECONDS) as store,
        ExitStack() as stack,
    ):
        metrics = Metrics(store, depths)
        try:
            path = stack.enter_context(hearing(metrics.hear))
            server, thread = start_http_server(port, address, metrics.registry)
        except (OSError, UnicodeError) as error:  # a UnicodeError of what is no host's name
            log.error(
                "metrics are not served at %s port %d, the worker works without: %s "
                "(CIRCUITS_METRICS_PORT, one for each worker of a machine)",
                address,
                port,
                getattr(error, "strerror", None) or error,
            )
            yield None
            return
        log.info("metrics at http://%s:%d/metrics", address, port)
        try:
            yield metrics, path
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
