"""`python -m tests.faults.worker`: a worker as users have it, that takes down what it was told.

The history lies beside its home. Written is what the graph has answered: a job was had, a result is
stored. A worker that is killed before its answer writes nothing, and knows nothing.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph_schema.documents.jobs import JobRecord
from tests.faults.history import Happened, History

FILE = "history.jsonl"


def recorded(what: Happened, transition: Callable[..., Any]) -> Callable[..., Any]:
    """The transition, which takes down that it came about."""

    @functools.wraps(transition)
    def call(store: Any, job_id: str, *given: Any, **named: Any) -> Any:
        answer = transition(store, job_id, *given, **named)
        if isinstance(
            answer, JobRecord | tuple
        ):  # had, or stored; else it is nobody's or another's
            History(Path(os.environ["CIRCUITS_HOME"]).parent / FILE).add(what, job_id)
        return answer

    return call


if __name__ in ("__main__", "__mp_main__"):  # the worker's child imports it again, by that name
    from graph_schema.store import jobs

    jobs.claim_served = recorded(Happened.STARTED, jobs.claim_served)
    jobs.finish = recorded(Happened.FINISHED, jobs.finish)

if __name__ == "__main__":
    from workers.running import worker

    sys.exit(worker.main())
