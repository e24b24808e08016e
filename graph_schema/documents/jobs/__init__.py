"""Job specs, one file a kind, and the record every job shares."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from graph_schema.documents.jobs.base import (
    ErrorDocument,
    JobProgress,
    JobRecord,
    JobState,
    MeasuredSpec,
    Need,
    Placement,
    RunRecord,
    Tokenisation,
)
from graph_schema.documents.jobs.discover import DiscoverSpec
from graph_schema.documents.jobs.evaluate import EvaluateSpec

AnySpec = Annotated[DiscoverSpec | EvaluateSpec, Field(discriminator="kind")]
"""What can be asked of a worker, by `kind`."""

_SPEC: TypeAdapter[DiscoverSpec | EvaluateSpec] = TypeAdapter(AnySpec)


def read_spec(text: str) -> DiscoverSpec | EvaluateSpec:
    """The spec of a job's record, of whatever kind."""
    return _SPEC.validate_json(text)


__all__ = [
    "AnySpec",
    "DiscoverSpec",
    "ErrorDocument",
    "EvaluateSpec",
    "JobProgress",
    "JobRecord",
    "JobState",
    "MeasuredSpec",
    "Need",
    "Placement",
    "RunRecord",
    "Tokenisation",
    "read_spec",
]
