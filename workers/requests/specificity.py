"""From roles jobs of one model to a specificity job, and from what a user calls another task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graph_schema.documents import AnyData, DatasetDocument, Limits
from graph_schema.documents.jobs import (
    JobRecord,
    Need,
    Placement,
    RolesSpec,
    SpecificitySpec,
    read_spec,
)
from graph_schema.errors import SpecError
from graph_schema.private_files import expanded
from workers.requests.asked import Asked
from workers.requests.checking import TASKS, device_named, unknown, validated
from workers.requests.discover import Submission
from workers.requests.pairs import MeasureRequest, data_of, source_of

SETS = 50
"""Random sets of heads for each role, where nobody says how many."""


@dataclass(frozen=True, kw_only=True)
class SpecificityRequest(Asked):
    """What a user asks for, unchecked. The names are those of `CircuitClient.specificity`."""

    roles_jobs: Sequence[str]
    draws: int = SETS
    seed: int = 0
    model: str | None = None
    device: str | None = None
    memory: int | None = None
    chunk: int | None = None
    priority: int = 5


def build_specificity(request: SpecificityRequest, job: Callable[[str], JobRecord]) -> Submission:
    """The specificity job of a request; it waits for roles jobs that have not ended.

    Args:
        request: What the user said.
        job: From a job's id, or its first digits, to its record.

    Raises:
        SpecError: Not two roles jobs or more, of one model and on tasks that differ.
        NotFoundError: No job, or more than one, has an id.
    """
    records = [job(each) for each in request.roles_jobs]
    specs = [_roles_spec(record) for record in records]
    if len(specs) < 2:
        raise SpecError(
            f"{len(specs)} roles jobs; a matrix is of two tasks at least: give the roles job of "
            "each (--roles JOB_A --roles JOB_B)"
        )
    placement = Placement.model_validate_json(records[0].placement)
    changes: dict[str, object] = {"priority": request.priority, "chunk": request.chunk}
    if request.model is not None:
        changes["model"] = source_of(request.model, None)
    if request.device is not None:
        changes["device"] = device_named(request.device)
    if request.memory is not None:
        changes["memory_gib"] = request.memory
    placement = validated(Placement, dict(placement) | changes)
    return specificity_of(specs, placement, draws=request.draws, seed=request.seed)


def specificity_of(
    tasks: Sequence[RolesSpec], placement: Placement, *, draws: int, seed: int
) -> Submission:
    """The specificity job over roles jobs, of which each may fail.

    Raises:
        SpecError: They are of several models, or two of them of one task.
    """
    spec = validated(SpecificitySpec, {"tasks": list(tasks), "draws": draws, "seed": seed})
    needs = tuple(Need(job_id=each.job_id, on_failure="proceed") for each in spec.tasks)
    return Submission(spec, placement, None, needs)


def specificity_beside(
    first: RolesSpec,
    others: Sequence[tuple[AnyData, DatasetDocument | None]],
    placement: Placement,
) -> list[Submission]:
    """Roles jobs of a model on other tasks, asked as the first one, and last the matrix of all.

    Raises:
        SpecError: Two of the tasks are the same.
    """
    tasks = [
        validated(
            RolesSpec,
            first.model_dump(exclude={"data", "metric"})
            | {"data": data, "metric": data.default_metric},
        )
        for data, _ in others
    ]
    before = [
        Submission(spec, placement, dataset)
        for spec, (_, dataset) in zip(tasks, others, strict=True)
    ]
    return [*before, specificity_of([first, *tasks], placement, draws=SETS, seed=first.seed)]


def _roles_spec(record: JobRecord) -> RolesSpec:
    spec = read_spec(record.spec)
    if not isinstance(spec, RolesSpec):
        raise SpecError(
            f"job {record.job_id[:12]} is of kind {record.kind!r}; expected a roles job, which "
            "says who plays what in a task (circuits roles)"
        )
    return spec


def other_task(
    given: str, like: MeasureRequest, limits: Limits
) -> tuple[AnyData, DatasetDocument | None]:
    """The pairs of a task named beside another: `ioi`, or a file of pairs (`pairs.jsonl`).

    A built-in task makes as many pairs as the first one.

    Raises:
        SpecError: No built-in task has this name, and it is no file.
        DatasetError: The file is wrong; the message names the line.
    """
    if given in TASKS:
        named = replace(like, task=given, task_params=None, dataset=None, heldout=None, label=None)
        return data_of(named, None, limits)
    if not expanded(given).is_file():
        choices = unknown("task", given, TASKS)
        raise SpecError(f"{choices}, or a file of pairs (FILE.jsonl)")
    file = replace(
        like, task=None, task_params=None, dataset=given, heldout=None, label=None, pairs=None
    )
    return data_of(file, None, limits)
