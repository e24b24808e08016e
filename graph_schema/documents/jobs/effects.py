"""The job that measures what the roles of a motif carry to each other in a model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.jobs.base import MeasuredSpec
from graph_schema.documents.motif import Motif


class EffectsSpec(MeasuredSpec):
    """Everything a role graph depends on. Its SHA-256 is the job id.

    `roles_job` is the job that said who plays what; it must have succeeded. Group interventions
    are made for every edge of `motif`, whose nodes are roles, `input` and `logits`.
    """

    kind: Literal["effects"] = "effects"
    motif: Motif
    roles_job: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    method_version: Literal[1] = 1

    @model_validator(mode="after")
    def _has_roles(self) -> EffectsSpec:
        if not self.motif.reads_roles:
            raise ValueError(
                f"motif {self.motif.name!r} names no role: effects are measured between roles; "
                "choose a motif such as induction, or search for this one (circuits motifs)"
            )
        return self
