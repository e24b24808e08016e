"""Jobs that stay in mid-work for as long as a test looks at them.

`python -m tests.workers.held` is a worker, with words behind it `circuits`. Both are as users have
them but for this: a job waits, and calls back all the while, when it first reports its scores and
its home is `held`. A job that merely takes long may end before a test that stands still sees it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from workers.job.lease import Lease

FILE = "held"


@contextmanager
def held(home: Path) -> Generator[None]:
    """Jobs of this home wait until the block ends."""
    home.mkdir(parents=True, exist_ok=True)
    (home / FILE).touch()
    try:
        yield
    finally:
        (home / FILE).unlink()


class WaitingLease(Lease):
    """Reports that do not return while the home is held, unless they raise."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        super().__call__(stage, done, total)
        while stage == "scores" and (self.settings.home / FILE).exists():
            time.sleep(0.05)
            total += 1  # news, which the lease carries to the graph every second
            super().__call__(stage, done, total)


if __name__ in ("__main__", "__mp_main__"):  # the worker's child imports it again, by that name
    from workers.running import lifecycle

    lifecycle.Lease = WaitingLease

if __name__ == "__main__":
    if sys.argv[1:]:
        from workers.cli import main

        main()
    else:
        from workers.running import worker

        sys.exit(worker.main())
