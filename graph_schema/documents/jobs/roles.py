"""The job that says which heads play which roles in a model's behaviour."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from graph_schema.documents.jobs.base import MeasuredSpec
from graph_schema.documents.role import RoleName


class RolesSpec(MeasuredSpec):
    """Everything a role test depends on. Its SHA-256 is the job id.

    `data` is the behaviour that roles must be causal in; patterns are read on probes of their own,
    `probes` prompts a condition. `roles` are the ones tested for, all that there are by default.
    """

    kind: Literal["roles"] = "roles"
    roles: Annotated[tuple[RoleName, ...], Field(min_length=1)] = tuple(sorted(RoleName))
    probes: Annotated[int, Field(ge=8, le=1024)] = 32
    method_version: Literal[1, 2] = 2
    """2: name movers and copy suppression also count by what they write to the logits. What version
    1 found can be read; it is no longer measured."""

    @field_validator("roles")
    @classmethod
    def _sorted(cls, value: tuple[RoleName, ...]) -> tuple[RoleName, ...]:
        return tuple(sorted(set(value)))
