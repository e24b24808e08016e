"""What work costs, here and in the processes that serve it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Cost:
    """Seconds: of the wall clock, of this process's CPU, and of the CPU of those that served."""

    wall: float
    own: float
    served: float


def cost(work: Callable[[], object], serving: Iterable[psutil.Process]) -> Cost:
    """What `work` takes."""
    serving = tuple(serving)
    began, own, served = time.monotonic(), time.process_time(), cpu_of(serving)
    work()
    wall = time.monotonic() - began
    return Cost(wall, time.process_time() - own, cpu_of(serving) - served)


def cpu_of(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds that these have used so far."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def memory_of(process: psutil.Process) -> str:
    """`RSS / PSS` in megabytes."""
    found = process.memory_full_info()
    return f"{found.rss / 1e6:.0f} / {found.pss / 1e6:.0f} MB"
