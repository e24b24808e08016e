"""The faults: each breaks something of a rig and, where it lasts, mends it again."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import LiteralString

import psutil

from tests.faults.rig import LEASE_SECONDS, Rig
from workers.local import service as local

PAST_LEASE = LEASE_SECONDS + 2.0
COMMITS = 2
OUTAGE_SECONDS = 30.0
SHORT_OUTAGE_SECONDS = 5.0

SET_CLOCK: LiteralString = """
MATCH (j:Job) WHERE j.state IN ['queued', 'running']
SET j.submitted_at = j.submitted_at - $ms,
    j.sent_at = j.sent_at - $ms,
    j.retry_at = j.retry_at - $ms,
    j.put_off_since = j.put_off_since - $ms,
    j.lease_until = j.lease_until - $ms,
    j.renewed_at = j.renewed_at - $ms
"""
"""As if the database's clock had been set forward by so much: all times are its own."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Args:
        name: As the table says it.
        strike: Breaks something; returns when it is mended, as far as it is to be.
        fits: Whether it can happen to a rig.
    """

    name: str
    strike: Callable[[Rig, random.Random], None]
    fits: Callable[[Rig], bool] = lambda _: True


def _child(main: psutil.Process) -> psutil.Process | None:
    """The pool's process; the other child is Python's resource tracker."""
    with suppress(psutil.Error):
        children = main.children()
        if children:
            return max(children, key=lambda child: child.memory_info().rss)
    return None


def _signal(process: psutil.Process | None, number: signal.Signals) -> None:
    if process is not None:
        with suppress(psutil.Error):
            process.send_signal(number)


def _tree(main: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [main, *main.children(recursive=True)]
    return []


def _any_main(rig: Rig, rng: random.Random) -> psutil.Process | None:
    mains = rig.mains()
    return rng.choice(mains) if mains else None


def kill_child(rig: Rig, rng: random.Random) -> None:
    if main := _any_main(rig, rng):
        _signal(_child(main), signal.SIGKILL)


def kill_main(rig: Rig, rng: random.Random) -> None:
    _signal(_any_main(rig, rng), signal.SIGKILL)


def kill_tree(rig: Rig, rng: random.Random) -> None:
    if main := _any_main(rig, rng):
        for process in _tree(main):
            _signal(process, signal.SIGKILL)


def kill_supervisor(rig: Rig, rng: random.Random) -> None:
    if pid := local.status(rig.settings).supervisor_pid:
        os.kill(pid, signal.SIGKILL)


def kill_java(rig: Rig, rng: random.Random) -> None:
    pid = rig.graph_pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        rig.until(lambda: rig.graph_pid not in (None, pid))


@contextmanager
def _stopped(processes: list[psutil.Process]) -> Generator[None]:
    for process in processes:
        _signal(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            _signal(process, signal.SIGCONT)


def stop_child(rig: Rig, rng: random.Random) -> None:
    main = _any_main(rig, rng)
    child = None if main is None else _child(main)
    with _stopped([] if child is None else [child]):
        rig.pause(PAST_LEASE)


def stop_tree(rig: Rig, rng: random.Random) -> None:
    main = _any_main(rig, rng)
    with _stopped([] if main is None else _tree(main)):
        rig.pause(PAST_LEASE)


def lose_queue(rig: Rig, rng: random.Random) -> None:
    rig.queue.lose()


def lose_message(rig: Rig, rng: random.Random) -> None:
    rig.queue.take(rng)


def triple_message(rig: Rig, rng: random.Random) -> None:
    if message := rig.queue.take(rng):
        for _ in range(3):
            rig.queue.put(message)


def late_message(rig: Rig, rng: random.Random) -> None:
    """Later than the lease of whoever has done its job by then."""
    if message := rig.queue.take(rng):
        rig.pause(PAST_LEASE)
        rig.queue.put(message)


def cut_after_commit(rig: Rig, rng: random.Random) -> None:
    """Until it has happened: a worker that has started says again and again that it is live."""
    proxy = rng.choice(rig.workers).proxy
    before = proxy.commits_cut
    proxy.cut_after_commits(COMMITS)
    try:
        rig.until(lambda: proxy.commits_cut >= before + COMMITS)
    finally:
        proxy.cut_after_commits(0)


def cut_connections(rig: Rig, rng: random.Random) -> None:
    for worker in rig.workers:
        worker.proxy.cut()


def cut_off(rig: Rig, rng: random.Random) -> None:
    """One worker, for longer than its lease."""
    with rng.choice(rig.workers).proxy.closed():
        rig.pause(PAST_LEASE)


def outage(seconds: float) -> Callable[[Rig, random.Random], None]:
    """The database is away for all workers that are not the supervisor's own."""

    def strike(rig: Rig, rng: random.Random) -> None:
        with ExitStack() as closed:
            for worker in rig.workers:
                closed.enter_context(worker.proxy.closed())
            rig.pause(seconds)

    return strike


def fill_disk(rig: Rig, rng: random.Random) -> None:
    ballast = rig.small / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        rig.pause(SHORT_OUTAGE_SECONDS)
    finally:
        ballast.unlink(missing_ok=True)


def set_clock(seconds: float) -> Callable[[Rig, random.Random], None]:
    def strike(rig: Rig, rng: random.Random) -> None:
        with rig.store() as store:
            store.write(lambda tx: tx.run(SET_CLOCK, ms=round(seconds * 1000)).consume())

    return strike


def kinds(outage_seconds: float) -> tuple[Fault, ...]:
    """All kinds of faults; the database is away for so long."""
    return (
        Fault("kill -9 of a worker's child", kill_child),
        Fault("kill -9 of a worker's main process", kill_main),
        Fault("kill -9 of a worker's whole tree", kill_tree),
        Fault("kill -9 of the supervisor", kill_supervisor, lambda rig: rig.supervised),
        Fault("kill -9 of the database", kill_java, lambda rig: rig.given is None),
        Fault("child stopped past its lease, and woken", stop_child),
        Fault("tree stopped past its lease, and woken", stop_tree),
        Fault("broker killed or emptied, its queue lost", lose_queue),
        Fault("a message lost", lose_message),
        Fault("a message tripled", triple_message),
        Fault("a message late", late_message),
        Fault("connection cut just after COMMIT", cut_after_commit),
        Fault("all connections cut", cut_connections),
        Fault("a worker cut off past its lease, and let back", cut_off),
        Fault(f"database away for {outage_seconds:g} s", outage(outage_seconds)),
        Fault("disk full for 5 s", fill_disk, lambda rig: rig.small_is_a_disk),
        Fault("database's clock set forward an hour", set_clock(3600.0)),
        Fault("database's clock set back a minute", set_clock(-60.0)),
    )
