"""Job specs, one file a kind, and the record every job shares."""

import json

from graph_schema.documents.jobs.base import (
    MOST_SHARDS,
    SPECS,
    CircuitSpec,
    ErrorDocument,
    JobProgress,
    JobRecord,
    JobSpec,
    JobState,
    MeasuredSpec,
    Need,
    Placement,
    RunRecord,
    Tokenisation,
    WorkerRecord,
)
from graph_schema.documents.jobs.discover import DiscoverSpec
from graph_schema.documents.jobs.effects import EffectsSpec
from graph_schema.documents.jobs.evaluate import EvaluateSpec
from graph_schema.documents.jobs.resources import (
    AUTO,
    DEMANDS,
    DEVICES,
    Demand,
    Device,
    Offer,
    demand_of,
    memory_class,
    parse_offer,
    said_offer,
    served,
)
from graph_schema.documents.jobs.roles import RolesSpec
from graph_schema.documents.jobs.shard import NO_SHARDS, SHARD_KIND, ShardSpec, shards_of
from graph_schema.documents.jobs.specificity import SpecificitySpec
from graph_schema.documents.jobs.trace import TraceSpec
from graph_schema.documents.jobs.universality import MeasuringJobs, ModelJobs, UniversalitySpec
from graph_schema.errors import SpecError

ModelSpec = MeasuredSpec | TraceSpec
"""Jobs that load one model, in the dtype that they say."""


def read_spec(text: str) -> JobSpec:
    """The spec of a job's record, of whatever kind.

    Raises:
        SpecError: No kind of job here has such a spec: another release wrote it.
    """
    fields = json.loads(text)
    kind = SPECS.get(str(fields.get("kind")))
    if kind is None:
        raise SpecError(
            f"the job is of kind {fields.get('kind')!r}; expected one of {', '.join(sorted(SPECS))}"
        )
    return kind.model_validate_json(text)


__all__ = [
    "AUTO",
    "DEMANDS",
    "DEVICES",
    "MOST_SHARDS",
    "NO_SHARDS",
    "SHARD_KIND",
    "SPECS",
    "CircuitSpec",
    "Demand",
    "Device",
    "DiscoverSpec",
    "EffectsSpec",
    "ErrorDocument",
    "EvaluateSpec",
    "JobProgress",
    "JobRecord",
    "JobSpec",
    "JobState",
    "MeasuredSpec",
    "MeasuringJobs",
    "ModelJobs",
    "ModelSpec",
    "Need",
    "Offer",
    "Placement",
    "RolesSpec",
    "RunRecord",
    "ShardSpec",
    "SpecificitySpec",
    "Tokenisation",
    "TraceSpec",
    "UniversalitySpec",
    "WorkerRecord",
    "demand_of",
    "memory_class",
    "parse_offer",
    "read_spec",
    "said_offer",
    "served",
    "shards_of",
]
