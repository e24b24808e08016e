"""The kind of job that says what a model's roles of one task are worth on its other tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph_schema.documents.jobs import JobRecord, RolesSpec, RunRecord, SpecificitySpec
from graph_schema.documents.specificity import RoleDrop, Specificity
from graph_schema.errors import DatasetError, NotFoundError, SpecError
from workers.job.in_one_go import InOneGo
from workers.kinds.base import JobKind, Stored
from workers.kinds.figures import cost
from workers.results.specificity import SpecificityFound

if TYPE_CHECKING:
    from neo4j import Transaction

    from discovery.jobs.specificity import AskedTask
    from discovery.models.inspecting import InspectedModel
    from graph_schema.documents import DatasetDocument, RolesPlayed
    from workers.job.workbench import Workbench


@dataclass(frozen=True)
class SpecificityResult(InOneGo):
    """What a specificity job measured, and the pairs that it was measured on."""

    found: Specificity
    datasets: tuple[DatasetDocument, ...]
    run: RunRecord

    @property
    def circuit_ids(self) -> tuple[str, ...]:
        return ()

    def write(self, tx: Transaction) -> None:
        """Write the datasets, and the matrix with its run."""
        from graph_schema.store.records.datasets import write_dataset
        from graph_schema.store.records.specificity import write_specificity

        for dataset in self.datasets:
            write_dataset(tx, dataset)
        write_specificity(tx, self.found, self.run)


def _work(spec: SpecificitySpec, bench: Workbench) -> SpecificityResult:
    from discovery.jobs.specificity import measure_specificity

    asked: list[AskedTask] = []
    datasets: list[DatasetDocument] = []
    known: tuple[RolesSpec, InspectedModel] | None = None
    for each in spec.tasks:
        task, inspected = _asked(each, bench)
        asked.append(task)
        if task.data is not None and inspected is not None:
            datasets.append(task.data[0].document)
            known = known or (each, inspected)
    if known is None:
        why = "; ".join(f"{each.spec.data.task_name}: {each.reason}" for each in asked)
        raise SpecError(
            f"none of the {len(asked)} roles jobs can be measured on ({why}); see why (circuits "
            "job ID) and ask for roles of tasks that the model does"
        )
    found = measure_specificity(
        spec,
        asked,
        bench.model(*known),
        limits=bench.settings.limits,
        progress=bench.lease,
    )
    return SpecificityResult(found.found, tuple(datasets), bench.run(found.cpu_seconds))


def _asked(spec: RolesSpec, bench: Workbench) -> tuple[AskedTask, InspectedModel | None]:
    """What a roles job found and its pairs, or why there is nothing."""
    from discovery.jobs.specificity import AskedTask

    try:
        played = _played(spec, bench)
    except NotFoundError as error:
        return AskedTask(spec, None, None, str(error)), None
    try:
        inspected, pairs = bench.inspected(spec)
    except DatasetError as error:
        return AskedTask(spec, played, None, f"its pairs do not fit: {error}"), None
    chunk = bench.chunk(spec, pairs)
    vocabulary = bench.vocabulary(spec, inspected)
    return AskedTask(spec, played, (pairs, vocabulary, chunk)), inspected


def _played(spec: RolesSpec, bench: Workbench) -> RolesPlayed:
    """What a roles job found.

    Raises:
        NotFoundError: It found nothing; the message says why.
    """
    from graph_schema.store import jobs
    from graph_schema.store.records.role_tests import read_role_test_of_job

    record = jobs.get(bench.store, spec.job_id)
    if record.error is not None:
        told = f"roles job {spec.job_id[:12]} {record.state.value}: {record.error.message}"
        raise NotFoundError(told)
    return read_role_test_of_job(bench.store, spec.job_id)


def _outcome(stored: Stored, record: JobRecord) -> SpecificityFound:
    from graph_schema.store.records.runs import run_of_job
    from graph_schema.store.records.specificity import read_specificity_of_job

    found = read_specificity_of_job(stored.graph, record.job_id)
    return SpecificityFound(found, run_of_job(stored.graph, record.job_id))


def _json(found: SpecificityFound | None) -> dict[str, Any]:
    """Tasks (columns), and a flat cell for each role on each task."""
    document = found.document if found else None
    return {
        "model": document.model.model_dump(mode="json") if document else None,
        "tasks": [each.model_dump(mode="json") for each in document.tasks] if document else [],
        "cells": [_cell(document, each) for each in document.cells] if document else [],
        **cost(found.run if found else None),
    }


def _cell(document: Specificity, cell: RoleDrop) -> dict[str, Any]:
    dump = cell.model_dump(mode="json")
    return dump | {"task": document.task(cell.of).task, "on_task": document.task(cell.on).task}


def _look(record: JobRecord) -> str:
    return f"circuits job {record.job_id[:12]} --wait"


SPECIFICITY = JobKind(
    spec=SpecificitySpec, work=_work, outcome=_outcome, text=str, json=_json, look=_look
)
