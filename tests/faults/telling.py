"""Why a run is not clean: all that is known of the jobs that went wrong, for whoever reads on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.faults.history import Event, Facts, Verdict
from workers.local.job_log import JobLog


def tell(verdict: Verdict, events: Sequence[Event], facts: Facts, logs: Iterable[Path] = ()) -> str:
    """What became of each job that was lost, completed twice, torn or has not ended; "" of none.

    Args:
        verdict: What went wrong.
        events: The history, the oldest first.
        facts: What the graph holds.
        logs: Folders of workers' logs: what they say of the job is told as well.
    """
    wrongs = {"lost": verdict.lost, "twice": verdict.twice, "torn": verdict.torn}
    live = {job_id for job_id, state in facts.states.items() if state in ("queued", "running")}
    lines: list[str] = []
    for job_id in sorted(live.union(*wrongs.values())):
        wrong = [name for name, of in wrongs.items() if job_id in of] or ["not ended"]
        circuits = [each for each in facts.circuits if each.job_id == job_id]
        lines += [
            f"job {job_id[:12]}: {', '.join(wrong)}",
            f"  in the graph: {facts.states.get(job_id, 'not there')}",
            f"  its error: {facts.errors.get(job_id, 'none')}",
            f"  it was: {', '.join(each.what for each in events if each.job_id == job_id)}",
            f"  runs: {facts.runs.count(job_id)}",
            f"  circuits, edges stored of those it has: "
            f"{', '.join(f'{each.n_stored} of {each.n_edges}' for each in circuits) or 'none'}",
            *(f"  {line}" for folder in logs for line in JobLog(folder, job_id).new_lines()),
        ]
    return "\n".join(lines)
