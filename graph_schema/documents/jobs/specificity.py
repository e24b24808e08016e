"""The job that ablates the members of each task's roles on every task of a model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from graph_schema.documents.jobs.base import JobSpec
from graph_schema.documents.jobs.roles import RolesSpec
from graph_schema.documents.model import ModelId

MOST_TASKS = 12


class SpecificitySpec(JobSpec):
    """Everything a specificity matrix depends on. Its SHA-256 is the job id.

    `tasks` are the roles jobs that say who plays what in which task, and by which metric and
    ablation; all of one model. `draws` random sets of heads are drawn for each role. A roles job
    that fails leaves a column and its rows untested, with the reason.
    """

    kind: Literal["specificity"] = "specificity"
    tasks: Annotated[tuple[RolesSpec, ...], Field(min_length=2, max_length=MOST_TASKS)]
    draws: Annotated[int, Field(ge=20, le=1000)] = 50
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    method_version: Literal[1] = 1

    @property
    def model(self) -> ModelId:
        return self.tasks[0].model

    @field_validator("tasks")
    @classmethod
    def _in_one_order(cls, value: tuple[RolesSpec, ...]) -> tuple[RolesSpec, ...]:
        """By task and job, so that the same tasks in another order are the same job."""
        return tuple(sorted(value, key=lambda each: (each.data.task_name, each.job_id)))

    @model_validator(mode="after")
    def _one_model_and_tasks_once_each(self) -> SpecificitySpec:
        models = {each.model.fingerprint[:12] for each in self.tasks}
        if len(models) > 1:
            raise ValueError(
                f"roles jobs of {len(models)} models ({', '.join(sorted(models))}): expected jobs "
                "of one model on several tasks"
            )
        if len({each.dtype for each in self.tasks}) > 1:
            raise ValueError("roles jobs in several dtypes; expected one: ask for roles in it")
        seen = [each.data.task_id for each in self.tasks]
        if repeated := [each for each in self.tasks if seen.count(each.data.task_id) > 1]:
            raise ValueError(
                f"{len(repeated)} roles jobs are on the task {repeated[0].data.task_name!r}; "
                "expected tasks that differ (a dataset's task is its label)"
            )
        return self
