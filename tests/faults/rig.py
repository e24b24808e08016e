"""A service that a test may break: a graph, a broker, two workers, and ways between them to cut.

Four combinations of graph and broker. `embedded-folder` is the local service as users have it, with
its supervisor and the worker that this starts, and a second worker beside it; in the others whoever
runs the rig starts what has died, as Docker or systemd would. Times are short (a lease of
`LEASE_SECONDS`), and a job may begin again `MANY` times: whoever kills at random kills some job
more than three times.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from graph_schema.errors import CircuitServiceError, StoreUnavailable
from graph_schema.processes import reserved_port
from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.servers.embedded import start_embedded
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.servers.neo4j import start_neo4j
from tests.faults.history import Happened, History
from tests.faults.proxy import Proxy
from tests.faults.queues import FolderQueue, Queue, RedisQueue
from tests.faults.worker import FILE
from tests.faults.worker_place import WorkerPlace
from tests.workers.tiny import Tiny
from workers.client import CircuitClient
from workers.local import service as local
from workers.local.ending import down
from workers.requests.discover import DiscoverRequest, build_submission
from workers.settings import Settings

COMBINATIONS = ("embedded-folder", "embedded-redis", "neo4j-folder", "neo4j-redis")
LEASE_SECONDS = 4.0
MANY = 100
WORKERS = 2
N_EDGES = 20
SMALL_DISK = "24m"
"""For artifacts and the folder's messages: soon full."""
PATIENCE = 300.0


def port_of(address: StoreAddress) -> int:
    return int(address.uri.rpartition(":")[2])


@dataclass
class Rig:
    """One combination, running; a context manager.

    Args:
        combination: One of `COMBINATIONS`.
        folder: All its files.
        tiny: The model and pairs of its jobs.
        given: An empty graph of its kind that runs already, and is left running; not killed.
    """

    combination: str
    folder: Path
    tiny: Tiny
    given: StoreAddress | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _server: JavaServer | None = None

    @property
    def supervised(self) -> bool:
        return self.combination == "embedded-folder"

    @property
    def history(self) -> History:
        return History(self.folder / FILE)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "pairs.jsonl").write_bytes(self.tiny.jsonl)
        self.small = self.folder / "small"
        self.small_is_a_disk = self._mount_small()
        self.queue: Queue = self._make_queue()
        self._stack.callback(self.queue.stop)
        self.settings = Settings.model_validate(
            {
                "home": self.folder / "home",
                "broker": self.queue.url,
                "artifacts": str(self.small / "artifacts"),
                "lease_seconds": LEASE_SECONDS,
                "max_attempts": MANY,
                "reconcile_seconds": 0.5,
                "resend_seconds": 1.0,
                "cancel_seconds": 1.0,
                "worker_python": self._interpreter(),
            }
        )
        self._stack.callback(self._stop_graph)
        self.address = self._start_graph()
        if not self.supervised:
            self.settings = self.settings.at(self.address)
        self.settings.home.mkdir(parents=True, exist_ok=True)
        self.workers = [self._make_worker(n) for n in range(1 if self.supervised else WORKERS)]
        self.client = CircuitClient(settings=self.settings)
        self._stack.callback(lambda: self.client.close())
        self.tend()

    def _make_queue(self) -> Queue:
        if self.combination.endswith("redis"):
            # Reserved to the end: it is killed, and another one starts there.
            return RedisQueue(self.folder, self._stack.enter_context(reserved_port()))
        return FolderQueue(self.small / "broker")

    def _mount_small(self) -> bool:
        """Make the small disk; a folder where this user may not mount, which nothing fills."""
        self.small.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(self.small)]
        try:
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return False
        except FileNotFoundError:
            return False
        self._stack.callback(
            lambda: subprocess.run(["umount", "--lazy", str(self.small)], check=True)
        )
        return True

    def _interpreter(self) -> Path:
        """What the supervisor starts its worker with: one that takes its history down."""
        script = self.folder / "python"
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m tests.faults.worker\n', encoding="utf-8"
        )
        script.chmod(0o755)
        return script

    def _start_graph(self) -> StoreAddress:
        if self.supervised:
            return local.ensure_local(self.settings).address
        if self.given is not None:
            return self.given
        port = None if self._server is None else port_of(self._server.address)
        where = self.folder / "graph"
        if self.combination.startswith("neo4j"):
            self._server = start_neo4j(
                where, port=port, heap_megabytes=512, page_cache_megabytes=64, seconds=PATIENCE
            )
        else:
            self._server = start_embedded(where, port=port, heap_megabytes=512, seconds=PATIENCE)
        with GraphStore(self._server.address, patience=PATIENCE) as store:
            store.migrate()
        # Ways to it lead to this port.
        assert port in (None, port_of(self._server.address)), "somebody has taken its port"
        return self._server.address

    def _stop_graph(self) -> None:
        for worker in getattr(self, "workers", ()):
            worker.stop()
        if self._server is not None:
            self._server.stop(1.0)
        if self.supervised:
            down(self.settings)

    def _make_worker(self, number: int) -> WorkerPlace:
        proxy = self._stack.enter_context(Proxy(port_of(self.address)))
        outside = replace(self.address, uri=f"bolt://127.0.0.1:{proxy.port}")
        settings = self.settings.at(outside)
        return WorkerPlace(settings, self.folder / f"worker-{number}.log", proxy)

    def tend(self) -> None:
        """Start again what has died."""
        if self._server is not None and not self._server.alive:
            self._start_graph()
        if self.supervised and not local.status(self.settings).running:
            with suppress(StoreUnavailable):
                local.ensure_local(self.settings)
        for worker in self.workers:
            worker.tend()

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(0.5, left))

    def submit(self, seed: int) -> None:
        """Ask for a job until the answer comes, as a user would."""
        request = DiscoverRequest(
            model=str(self.tiny.folder),
            dataset=self.folder / "pairs.jsonl",
            method="eap",
            n_edges=N_EDGES,
            seed=seed,
        )
        asked = build_submission(request, self.settings.limits, self.settings.cache_dir)
        self.history.add(Happened.SUBMITTED, asked.spec.job_id)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                job = self.client.submit_request(request)
            except CircuitServiceError:
                if time.monotonic() > end:
                    raise
                self.client.close()
                self.tend()
                time.sleep(0.2)
            else:
                self.history.add(Happened.ACKNOWLEDGED, job.job_id)
                return

    def live(self) -> int:
        """How many jobs are queued or running; one at least where the graph does not say."""
        try:
            return jobs.count_live(self.client.service.store)
        except CircuitServiceError:
            self.client.close()
            return 1

    def store(self) -> GraphStore:
        """A way of its own to the graph, whatever is cut."""
        address = self.address
        if self.supervised:
            address = local.ensure_local(self.settings).address
        return GraphStore(address, patience=PATIENCE)

    @property
    def graph_pid(self) -> int | None:
        """The database's process, None while there is none."""
        if self.supervised:
            return local.status(self.settings).database_pid
        alive = self._server is not None and self._server.alive
        return self._server.process.pid if alive and self._server is not None else None

    def mains(self) -> list[psutil.Process]:
        """The main process of each worker that lives."""
        pids = [each.process.pid for each in self.workers if each.process is not None]
        if self.supervised and (pid := local.status(self.settings).worker_pid) is not None:
            pids.append(pid)
        found: list[psutil.Process] = []
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        """Wait for it while what dies is started again.

        Raises:
            AssertionError: It does not come true.
        """
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not happen within {seconds:g} s"
            self.tend()
            time.sleep(0.25)
