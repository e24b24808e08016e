"""The Celery task: take a job id, see the job through.

Imported by the worker's main process too, so nothing heavy is loaded here: the child loads torch
when it starts (`worker_process_init`), not under a job's clock.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from celery import shared_task
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from workers.broker.app import RUN_TASK, deliver, make_app
from workers.capacity import offer_of
from workers.log_lines import log_to_standard_error
from workers.running.lifecycle import Performer, Work
from workers.running.words import Teller, untold
from workers.settings import Settings, read_settings
from workers.whose_artifacts import marked_store

log = logging.getLogger(__name__)


class StopSignal:
    """SIGTERM while a job runs: a flag. The lease sees it and gives the job back.

    The flag is read from a pipe that Python's C code writes to, so it is seen while the main
    thread is inside a long computation and no Python handler can run. A context manager around
    a job; outside of it SIGTERM is ignored, because an idle child ends with its pool.
    """

    def __init__(self) -> None:
        self._set = False
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which billiard leaves as it is
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)

    def is_set(self) -> bool:
        with suppress(BlockingIOError):
            self._set = self._set or signal.SIGTERM in os.read(self._read, 4096)
        return self._set


@dataclass(frozen=True)
class Child:
    """What a pool process keeps between jobs."""

    performer: Performer
    work: Work
    stop: StopSignal


_child: Child | None = None


@shared_task(name=RUN_TASK)
def run(job_id: str) -> bool:
    """See this job through, if it is to be had; False where it is not."""
    child = _child
    assert child is not None, "the task runs in a worker's child only"
    with child.stop:
        return not child.stop.is_set() and child.performer.perform(job_id, child.work)


@setup_logging.connect
def log_as_settings_say(**_: Any) -> None:
    """In main and child alike, unless the process logs elsewhere already."""
    log_to_standard_error(read_settings().log_format)


@worker_process_init.connect
def start_child(**_: Any) -> None:
    """Load what jobs need: settings, torch, the adapters, this process's driver.

    A child that cannot start ends its worker, whose supervisor sees that; Celery alone would log
    the error and hand it jobs.
    """
    global _child
    try:
        _child = _make_child()
    except BaseException:
        log.exception("the worker's child cannot start; stopping the worker")
        os.kill(os.getppid(), signal.SIGTERM)
        logging.shutdown()
        os._exit(1)


def _make_child() -> Child:
    stop = StopSignal()  # first: the rest takes seconds
    import torch

    from workers.job.model_cache import ModelCache
    from workers.kinds.perform import run_job

    settings = read_settings()
    torch.set_num_threads(settings.threads)
    app = make_app(settings)
    performer = Performer(
        settings,
        settings.store_address(),
        owner=settings.owner,
        deliver=lambda job_ids: deliver(performer.store, app, job_ids),
        stopping=stop.is_set,
        parent=os.getppid(),
        offer=offer_of(settings),
        log_place=_log_place(settings),
        tell=Teller(settings.words) if settings.words else untold,
    )
    work = partial(
        run_job,
        settings=settings,
        store=performer.store,
        artifacts=marked_store(settings, performer.store),
        models=ModelCache(),
    )
    return Child(performer, work, stop)


def _log_place(settings: Settings) -> str:
    log_file = settings.log_dir / "worker.log"
    where = f": {log_file}" if log_file.exists() else ""
    return f"the worker's log on {socket.gethostname()}{where}"


@worker_process_shutdown.connect
def end_child(**_: Any) -> None:
    """Close this process's connections."""
    if _child is not None:
        _child.performer.close()
