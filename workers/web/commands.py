"""Commands that take torch, run in a process of their own: the server's process never loads it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

from graph_schema.errors import ResourceError, SpecError
from workers.settings import Settings

SECONDS = 120
_running = threading.BoundedSemaphore(1)


def run_command(settings: Settings, words: Sequence[str], what: str) -> str:
    """What `circuits WORDS…` prints; one runs at a time.

    Args:
        settings: Those that it gets.
        words: Its arguments.
        what: What is being made, for messages: "plan".

    Raises:
        SpecError: It fails; the message is its own.
        ResourceError: Another one runs, or this one takes too long.
    """
    if not _running.acquire(blocking=False):
        raise ResourceError(f"the {what} waits for another one; ask again when that is done")
    try:
        ran = subprocess.run(
            [
                sys.executable,
                "-P",  # else a folder `workers` where the server was started is taken for ours
                "-c",
                "from workers.cli import main; main()",
                *words,
            ],
            env=settings.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(f"the {what} took longer than {SECONDS} s") from error
    finally:
        _running.release()
    if ran.returncode:
        raise SpecError(ran.stderr.strip().removeprefix("error: ") or f"the {what} failed")
    return ran.stdout
