"""The job that judges a stored circuit: ours on other pairs, or an imported one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.jobs.base import CircuitSpec


class EvaluateSpec(CircuitSpec):
    """Everything an evaluation depends on. Its SHA-256 is the job id and the evaluation's id."""

    kind: Literal["evaluate"] = "evaluate"
    circuit_id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
