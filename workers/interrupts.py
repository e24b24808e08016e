"""Ctrl-C that is always heard, and never in the middle of something.

Python raises KeyboardInterrupt wherever the program happens to be. Inside a finaliser it is printed
and forgotten (seen in the database driver's), inside a transaction it leaves the end unknown.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

NOTICE = b"\nstopping at the next step; Ctrl-C again stops at once\n"


class JobInterrupted(KeyboardInterrupt):
    """Ctrl-C while a job was to be done here; its text says what became of the job."""


@contextmanager
def interrupts_heard() -> Generator[Callable[[], None]]:
    """A check, for callbacks to call, that raises KeyboardInterrupt once Ctrl-C was pressed.

    The second Ctrl-C raises where it falls, for work that never comes to its next step.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread may handle signals, and it alone gets Ctrl-C
        return
    heard = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        if heard.is_set():
            signal.default_int_handler(number, frame)
        heard.set()
        os.write(2, NOTICE)  # print() may be what was interrupted

    def check() -> None:
        if heard.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
