"""The job that says of a motif whether models do a task by the same roles and the same wiring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from graph_schema.documents.base import Document, later
from graph_schema.documents.jobs.base import JobSpec, Tokenisation
from graph_schema.documents.model import Fingerprint
from graph_schema.documents.motif import Motif
from graph_schema.documents.protocol import Protocol
from graph_schema.documents.task import AnyData

JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MOST_MODELS = 200


class MeasuringJobs(Document):
    """The jobs that measure one model under one protocol."""

    roles: JobId
    effects: JobId


class ModelJobs(Document):
    """A model and the jobs whose findings are judged; those of the stress test where there is one.

    `specificity` measures the roles on other tasks, where such were asked for.
    They need not succeed: what failed makes the model untestable, with the reason.
    """

    fingerprint: Fingerprint
    discover: JobId
    main: MeasuringJobs
    stress: MeasuringJobs | None = None
    specificity: JobId | None = later(None)

    @property
    def job_ids(self) -> tuple[str, ...]:
        """All of them, in the order in which they are asked for."""
        each = [self.main, *([self.stress] if self.stress else [])]
        measured = (job for pair in each for job in (pair.roles, pair.effects))
        return (self.discover, *measured, *([self.specificity] if self.specificity else []))


class UniversalitySpec(JobSpec):
    """Everything a verdict depends on. Its SHA-256 is the job id.

    `protocol` decides the states; `stress` is another one (another ablation), by which all is
    measured and stated again to see what moves.
    """

    kind: Literal["universality"] = "universality"
    motif: Motif
    data: AnyData
    tokenisation: Tokenisation = Tokenisation()
    protocol: Protocol
    stress: Protocol | None = None
    models: Annotated[tuple[ModelJobs, ...], Field(min_length=1, max_length=MOST_MODELS)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    method_version: Literal[1] = 1

    @field_validator("models")
    @classmethod
    def _in_one_order(cls, value: tuple[ModelJobs, ...]) -> tuple[ModelJobs, ...]:
        """By fingerprint, so that the same models in another order are the same job."""
        return tuple(sorted(value, key=lambda each: each.fingerprint))

    @model_validator(mode="after")
    def _models_once_each(self) -> UniversalitySpec:
        seen = [each.fingerprint for each in self.models]
        if repeated := sorted({each for each in seen if seen.count(each) > 1}):
            raise ValueError(f"model {repeated[0]} is given twice; a verdict counts it once")
        if any((each.stress is None) is not (self.stress is None) for each in self.models):
            raise ValueError("a stress test is of all models or of none")
        return self
