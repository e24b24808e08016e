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
def held(home: Path, after: int = 0) -> Generator[None]:
    """Jobs of this home wait until the block ends, but for the first `after` of each process."""
    home.mkdir(parents=True, exist_ok=True)
    (home / FILE).write_text(str(after))
    try:
        yield
    finally:
        (home / FILE).unlink()


_begun: list[str] = []
"""The jobs that this process has come to the scores of."""


class WaitingLease(Lease):
    """Reports that do not return while the home is held, unless they raise."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        super().__call__(stage, done, total)
        if stage == "scores" and self.job_id not in _begun:
            _begun.append(self.job_id)
        while stage == "scores" and self._is_held():
            time.sleep(0.05)
            total += 1  # news, which the lease carries to the graph every second
            super().__call__(stage, done, total)

    def _is_held(self) -> bool:
        try:
            free = int((self.settings.home / FILE).read_text() or "0")
        except FileNotFoundError:
            return False
        return _begun.index(self.job_id) >= free


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
