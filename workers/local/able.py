"""Whether a worker of the local service could run here: looked at without loading what it needs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from graph_schema.errors import MissingExtraError
from workers.settings import Settings


def can_work(settings: Settings) -> bool:
    """Whether a worker's needs are installed (unknown for another interpreter: yes)."""
    if settings.worker_python != Path(sys.executable):
        return True
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


def require_worker(settings: Settings) -> None:
    """Return where a local worker can run.

    Raises:
        MissingExtraError: Torch or transformers is not installed.
    """
    if not can_work(settings):
        raise MissingExtraError(
            "jobs on the local service need torch, which is not installed; run: "
            'pip install "circuit-atlas[worker]"'
        )
