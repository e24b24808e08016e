"""What a client asks of many models, tasks and methods at once, and the handle on all of it.

No kind of job of its own, and nothing more in the graph: a sweep is its jobs, which are those of
single requests. The same sweep asked for again finds them, and asks for those that are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import JobRecord, JobState
from graph_schema.reports import rows_html, words_html
from workers.client.many import ManyJobs
from workers.client.training import TrainingRequests
from workers.requests.sweep import AskedSweep, asked_sweep
from workers.requests.sweep_file import read_sweep
from workers.requests.sweep_jobs import SweepJob, SweepSubmission, build_sweep
from workers.results.rows import Rows

if TYPE_CHECKING:
    from graph_schema.store.records.circuit_list import CircuitFigures
    from workers.client.connection import Connection

MISSING = "missing"
"""The state of a job that nobody has asked for yet."""


class Sweep(ManyJobs):
    """The jobs of a sweep: follow them, end them, run again what failed, and one table of all."""

    def __init__(
        self, client: Connection, submission: SweepSubmission, records: Sequence[JobRecord]
    ) -> None:
        asked = [job.submission for job in submission.jobs]
        super().__init__(client, f"sweep {submission.name}", asked, records)
        self._submission = submission

    @property
    def sweep_id(self) -> str:
        """The SHA-256 of what it asks, whatever it is called."""
        return self._submission.sweep_id

    @property
    def name(self) -> str:
        return self._submission.name

    @property
    def failed(self) -> int:
        """How many jobs failed or were cancelled, as of the last look."""
        counts = Counter(job.state for job in self.jobs)
        return counts[JobState.FAILED] + counts[JobState.CANCELLED]

    @property
    def missing(self) -> int:
        """How many jobs nobody has asked for: where it was only looked at."""
        return len(self._submission.jobs) - len(self.jobs)

    def table(self) -> Rows:
        """A row a job in the order it was asked for, as of the last look, ended or not.

        Columns: `model`, `task`, `method`, `edges` (or `threshold`), `seed`, `state`,
        `heldout_faithfulness`, `n_edges`, `circuit` (of several the first), `job`, `why` (it
        failed). A row is a dictionary, and `to_pandas()` makes a frame of them.
        """
        from graph_schema.store.records.circuit_list import figures_of

        records = {job.job_id: job.record for job in self.jobs}
        circuits = [found for each in records.values() for found in each.circuit_ids[:1]]
        figures = figures_of(self._client.service.store, circuits) if circuits else {}
        columns = ("model", "task", "method", self._submission.by, "seed", "state")
        return Rows(
            (*columns, "heldout_faithfulness", "n_edges", "circuit", "job", "why"),
            tuple(_row(job, records.get(job.job_id), figures) for job in self._submission.jobs),
        )

    def to_json(self) -> dict[str, Any]:
        """The sweep's id and name, how many jobs are in which state, and the table's rows."""
        counts = self.states() | ({MISSING: self.missing} if self.missing else {})
        told = {"sweep": self.sweep_id, "name": self.name, "states": counts}
        return {**told, "rows": self.table().records()}

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.states().items())
        return f"<Sweep {self.name} {self.sweep_id[:12]}: {counts or 'nothing asked for'}>"

    def _repr_html_(self) -> str:
        found = self.table()
        return f"<div>{words_html(repr(self))}{rows_html(found.columns, found.rows)}</div>"


def _row(
    job: SweepJob, record: JobRecord | None, figures: Mapping[str, CircuitFigures]
) -> tuple[Any, ...]:
    circuit = next(iter(record.circuit_ids), None) if record is not None else None
    found = figures.get(circuit) if circuit is not None else None
    error = record.error if record is not None and record.state.ended else None
    return (
        *(job.model, job.task, job.method, job.size, job.seed),
        MISSING if record is None else record.state.value,
        found and found.heldout_faithfulness,
        found and found.n_edges,
        circuit,
        job.job_id,
        f"{error.type}: {error.message}" if error is not None else None,
    )


class SweepRequests(TrainingRequests):
    """A connection that asks for sweeps: `sweep`."""

    def sweep(
        self,
        file: str | Path | None = None,
        *,
        models: str | Sequence[str | Mapping[str, Any]] | None = None,
        tasks: str | Sequence[str | Mapping[str, Any]] | None = None,
        methods: str | Sequence[str | Mapping[str, Any]] | None = None,
        edges: int | Sequence[int] | None = None,
        thresholds: float | Sequence[float] | None = None,
        seeds: int | Sequence[int] | None = None,
        name: str | None = None,
        submit: bool = True,
        **options: Any,
    ) -> Sweep:
        """Ask for a circuit of every model, task, method, size and seed; `.table()` has all.

        What ended before, well or not, is not done again (`.rerun()` does what failed); what is
        missing of it is asked for. Give a file, or models, tasks and one of edges and thresholds.

        Args:
            file: A YAML file whose keys are these arguments (docs/sweeps.md).
            models: Each as `submit` takes it, or `{"model": …, "revision": …}`.
            tasks: Built-in tasks and files of pairs: `"ioi"`, `"pairs.jsonl"`, `{"name":
                "induction", "length": 24, "pairs": 64}`, `{"dataset": …, "heldout": …,
                "label": …}`.
            methods: `"eap"`, `{"name": "eap-ig", "steps": 10}`; `eap-ig` where left out.
            edges: How many edges to keep; a job for each number.
            thresholds: Or the scores to reach; likewise.
            seeds: 0 where left out.
            name: What it is called where progress is shown.
            submit: Ask for what is missing; otherwise only look at what is there.
            options: Of all jobs alike, as `submit` takes them: `pairs`, `metric`, `ablation`,
                `draws`, `by`, `add_bos`, `answers`, `misfits`, `granularity`, `candidates`,
                `receivers`, `exact_top`, `keep_pair_scores`, `alternatives`, `evaluation`,
                `dtype`, `device`, `memory`, `chunk`, `priority`, `shards`.

        Raises:
            SpecError: Something is wrong; nothing was sent, and the message has all that is.
            ModelError: A model cannot be found.
            StoreUnavailable: Graph or broker cannot be reached.
        """
        axes = {"models": models, "tasks": tasks, "methods": methods, "edges": edges}
        axes |= {"thresholds": thresholds, "seeds": seeds, "name": name}
        given = {key: value for key, value in axes.items() if value is not None} | options
        asked = asked_sweep(given) if file is None else read_sweep(Path(file), given)
        return self.sweep_request(asked, submit=submit)

    def sweep_request(self, asked: AskedSweep, *, submit: bool = True) -> Sweep:
        """`sweep`, with what is asked for as one value."""
        submission = build_sweep(asked, self.settings.limits, self.settings.cache_dir)
        if submit:
            self._require_worker()
        wanted = [job.submission for job in submission.jobs]
        known = self.service.records([each.spec.job_id for each in wanted])
        if not submit:
            return Sweep(self, submission, known)
        found = {record.job_id: record for record in known}
        # One that has ended stays as it is; one that waits takes its place from this request.
        asking = [
            each
            for each in wanted
            if (record := found.get(each.spec.job_id)) is None
            or not (record.state.ended or record.placement == each.placement.canonical_json())
        ]
        return Sweep(self, submission, (*known, *self.service.submit_many(asking)))
