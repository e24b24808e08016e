"""The specificity job: a model, its roles in several tasks; what each is worth on every task.

All members of a role are ablated together on a task's pairs, and random heads in their place. A
task that the model does not do has nothing to take shares of: its column says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discovery.engine.self_check import check_adapter
from discovery.evaluation.measured import Measured
from discovery.evaluation.session import Clock, Session
from discovery.models import LoadedModel
from discovery.progress import Progress
from discovery.roles.behaviour import behaviour_on
from discovery.roles.shares import share_of
from discovery.roles.specificity import (
    HeadSet,
    beside,
    random_sets,
    set_effects,
)
from discovery.tasks.base import PairSet
from discovery.tasks.vocabulary import Vocabulary
from graph_schema.documents import Component, Limits, RoleName, RolesPlayed, Split, head_name
from graph_schema.documents.jobs import RolesSpec, SpecificitySpec
from graph_schema.documents.specificity import RoleDrop, Specificity, TaskMeasured


@dataclass(frozen=True)
class AskedTask:
    """A task as its roles job names it: what that found, and the pairs; `reason` where it failed.

    `data` is None where there is a reason, and only there.
    """

    spec: RolesSpec
    played: RolesPlayed | None
    data: tuple[PairSet, Vocabulary, int | None] | None
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A role of a task, its members, and the random sets that are its control."""

    of: str
    role: RoleName
    members: HeadSet
    random: list[HeadSet]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(head_name(*member) for member in self.members)


@dataclass(frozen=True)
class Matrix:
    """What a job found, and CPU seconds by stage."""

    found: Specificity
    cpu_seconds: dict[str, float]


def measure_specificity(
    spec: SpecificitySpec,
    tasks: Sequence[AskedTask],
    model: LoadedModel,
    *,
    limits: Limits,
    progress: Progress,
) -> Matrix:
    """Ablate every task's roles on every task.

    Args:
        spec: The job.
        tasks: Its roles jobs with what they found, in its order.
        model: Theirs, loaded.
        limits: `min_pairs`: of fewer held-out pairs the discovery pairs are taken.
        progress: Stages "baseline" and "specificity"; what it raises passes through.

    Raises:
        NumericsError: The adapter's logits are not the model's.
        NonFiniteError: NaN or infinite values; names the layer.
    """
    clock = Clock()
    rows = [row for task in tasks for row in _rows(spec, task, model)]
    columns: list[TaskMeasured] = []
    cells: list[RoleDrop] = []
    for task in tasks:
        column, split = _column(task, model, limits, progress, clock)
        columns.append(column)
        if split is not None and task.data is not None:
            with clock.stage(f"specificity {len(columns)}"):
                chunk = task.data[2]
                cells += _cells(rows, column, split, chunk, progress)
    found = Specificity(
        job_id=spec.job_id,
        model=model.document,
        draws=spec.draws,
        seed=spec.seed,
        tasks=tuple(columns),
        cells=tuple(sorted(cells, key=lambda cell: _order(cell, rows))),
    )
    return Matrix(found, clock.seconds)


def _rows(spec: SpecificitySpec, task: AskedTask, model: LoadedModel) -> list[Row]:
    members: dict[RoleName, list[tuple[int, int]]] = {}
    for play in task.played.plays if task.played else ():
        part = Component.parse(play.component)
        if play.passes and part.layer is not None and part.head is not None:
            members.setdefault(play.role, []).append((part.layer, part.head))
    shape = model.adapter.shape
    return [
        Row(
            task.spec.job_id,
            role,
            tuple(sorted(heads)),
            random_sets(shape.n_layers, shape.n_heads, sorted(heads), spec.draws, spec.seed),
        )
        for role, heads in sorted(members.items())
    ]


def _column(
    task: AskedTask, model: LoadedModel, limits: Limits, progress: Progress, clock: Clock
) -> tuple[TaskMeasured, Measured | None]:
    """A task as a column, and its pairs as measured; None where nothing can be asked of them."""
    played, spec = task.played, task.spec
    column = TaskMeasured(
        roles_job=spec.job_id,
        role_test_id=played.role_test_id if played else None,
        task=spec.data.task_name,
        task_id=spec.data.task_id,
        metric=spec.metric,
        ablation=spec.ablation,
        reason=task.reason,
        no_roles=_no_roles(task),
    )
    told = played.behaviour.reason if played and played.behaviour else ""
    if told:
        reason = f"the task is not done well enough: {told}"
        return column.model_copy(update={"reason": reason}), None
    if task.data is None:
        return column, None
    pairs, vocabulary, chunk = task.data
    session = Session.of(
        spec,
        model,
        pairs,
        limits=limits,
        progress=progress,
        chunk=chunk,
    )
    split, chosen = Split.HELDOUT, pairs.heldout
    covered = session.experiment.ablator.covers(chosen) if chosen else []
    chosen = tuple(pair for pair, can in zip(chosen, covered, strict=True) if can)
    if len(chosen) < limits.min_pairs:
        split, chosen = Split.DISCOVERY, pairs.discovery
    with clock.stage(f"baseline {spec.data.task_name}"):
        check_adapter(model.adapter, [pair.clean for pair in chosen], together=chunk != 1)
        measured = Measured(
            session.experiment,
            split,
            chosen,
            seed=spec.seed,
            chunk=chunk,
            progress=session.report("baseline"),
        )
    known = behaviour_on(measured, vocabulary)
    told = {"split": split, "n_pairs": measured.n, "behaviour": known, "reason": known.reason}
    return column.model_copy(update=told), None if known.reason else measured


def _no_roles(task: AskedTask) -> str:
    if task.played is None:
        return task.reason
    if any(play.passes for play in task.played.plays):
        return ""
    told = task.played.behaviour.reason if task.played.behaviour else ""
    return told or "no head passes for a role"


def _cells(
    rows: Sequence[Row],
    column: TaskMeasured,
    split: Measured,
    chunk: int | None,
    progress: Progress,
) -> list[RoleDrop]:
    asked = [each for row in rows for each in (row.members, *row.random)]
    effects = set_effects(
        split,
        asked,
        chunk=chunk,
        progress=lambda done, total: progress("specificity", done, total),
    )
    found: list[RoleDrop] = []
    for row in rows:
        lost = share_of(split, effects[row.members], split.gap)
        if lost is None:
            continue
        random = [float(effects[each].sum() / split.gap.sum()) for each in row.random]
        found.append(
            RoleDrop(
                of=row.of,
                role=row.role,
                members=row.names,
                on=column.roles_job,
                random=beside(lost.share, random),
                sets=len(random),
                **lost.model_dump(),
            )
        )
    return found


def _order(cell: RoleDrop, rows: Sequence[Row]) -> int:
    return next(i for i, row in enumerate(rows) if (row.of, row.role) == (cell.of, cell.role))
