"""Job specs, one file a kind, and the record every job shares."""

from typing import TYPE_CHECKING

from graph_schema.on_demand import on_demand

if TYPE_CHECKING:
    from graph_schema.documents.jobs.base import (
        MOST_SHARDS,
        CircuitSpec,
        JobSpec,
        MeasuredSpec,
        Placement,
        Tokenisation,
    )
    from graph_schema.documents.jobs.discover import DiscoverSpec
    from graph_schema.documents.jobs.effects import EffectsSpec
    from graph_schema.documents.jobs.evaluate import EvaluateSpec
    from graph_schema.documents.jobs.kinds import SPECS, ModelSpec, read_spec
    from graph_schema.documents.jobs.record import (
        SHARD_KIND,
        ErrorDocument,
        JobProgress,
        JobRecord,
        JobState,
        Need,
        RunRecord,
        WorkerRecord,
    )
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
    from graph_schema.documents.jobs.shard import NO_SHARDS, ShardSpec, shards_of
    from graph_schema.documents.jobs.specificity import SpecificitySpec
    from graph_schema.documents.jobs.trace import TraceSpec
    from graph_schema.documents.jobs.universality import MeasuringJobs, ModelJobs, UniversalitySpec
else:  # settings need to know of devices, and of no kind of job
    __getattr__, __dir__ = on_demand(__name__)

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
