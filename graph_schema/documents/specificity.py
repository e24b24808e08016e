"""Specificity: what a model's role members of one task are worth on its other tasks, as a matrix.

A row is a role of one task, a column a task whose pairs it was ablated on. Roles jobs say who
plays what and which task is meant, so they name rows and columns.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.base import Document
from graph_schema.documents.evaluation import Split
from graph_schema.documents.method import AblationSpec, Metric
from graph_schema.documents.model import ModelDocument
from graph_schema.documents.role import LEAST_CONTROL_SETS, Behaviour, RoleName, Share


class TaskMeasured(Document):
    """A column: a task, by the roles job that names it, and what was measured on it.

    `reason` says why nothing could be measured on it and is empty where it could; `no_roles` why it
    has no rows of its own. `split` is the held-out pairs, or the discovery ones where there are too
    few of those.
    """

    roles_job: str
    role_test_id: str | None
    task: str
    task_id: str
    metric: Metric
    ablation: AblationSpec
    split: Split | None = None
    n_pairs: int = 0
    behaviour: Behaviour | None = None
    reason: str = ""
    no_roles: str = ""


class RandomSets(Document):
    """What distinct random sets of as many heads alike in depth are worth, as shares of the gap.

    `mean` over `sets` of them, 95 % of which lie from `low` to `high`; `p` = (1 + #{set >= role}) /
    (sets + 1).
    """

    mean: float
    low: float
    high: float
    sets: Annotated[int, Field(ge=LEAST_CONTROL_SETS)]
    p: Annotated[float, Field(gt=0, le=1)]


class RoleDrop(Share):
    """A cell: the share of a task's gap that is lost when all members of a role are ablated.

    `of` is the roles job whose role it is, `on` the one whose task it was measured on. `random`:
    what random sets are worth there; null where there are fewer than 20 distinct ones (`sets`).
    """

    of: str
    role: RoleName
    members: Annotated[tuple[str, ...], Field(min_length=1)]
    on: str
    random: RandomSets | None = None
    sets: Annotated[int, Field(ge=0)]


class Specificity(Document):
    """The matrix of one model's roles and tasks."""

    schema_version: Literal[1] = 1
    method_version: Annotated[int, Field(ge=1)] = 1
    job_id: str
    model: ModelDocument
    draws: int
    seed: int
    tasks: Annotated[tuple[TaskMeasured, ...], Field(min_length=2)]
    cells: tuple[RoleDrop, ...]

    def task(self, roles_job: str) -> TaskMeasured:
        return next(each for each in self.tasks if each.roles_job == roles_job)

    @property
    def rows(self) -> tuple[tuple[str, RoleName], ...]:
        """Roles job and role, each once, in the order of the tasks."""
        return tuple(dict.fromkeys((cell.of, cell.role) for cell in self.cells))

    def at(self, of: str, role: RoleName, on: str) -> RoleDrop | None:
        """A cell; None in a column that could not be measured."""
        key = (of, role, on)
        return next((each for each in self.cells if (each.of, each.role, each.on) == key), None)

    @model_validator(mode="after")
    def _cells_are_of_its_tasks(self) -> Specificity:
        known = {each.roles_job for each in self.tasks}
        for cell in self.cells:
            if not {cell.of, cell.on} <= known:
                raise ValueError(f"a cell of {cell.of[:12]} on {cell.on[:12]}, which is no task")
        return self
