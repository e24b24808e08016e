"""All kinds of jobs together: importing them here makes `SPECS` whole."""

from __future__ import annotations

import json

from graph_schema.documents.jobs.base import SPECS, JobSpec, MeasuredSpec
from graph_schema.documents.jobs.discover import DiscoverSpec
from graph_schema.documents.jobs.effects import EffectsSpec
from graph_schema.documents.jobs.evaluate import EvaluateSpec
from graph_schema.documents.jobs.roles import RolesSpec
from graph_schema.documents.jobs.shard import ShardSpec
from graph_schema.documents.jobs.specificity import SpecificitySpec
from graph_schema.documents.jobs.trace import TraceSpec
from graph_schema.documents.jobs.universality import UniversalitySpec
from graph_schema.errors import SpecError

ALL: tuple[type[JobSpec], ...] = (
    DiscoverSpec,
    EffectsSpec,
    EvaluateSpec,
    RolesSpec,
    ShardSpec,
    SpecificitySpec,
    TraceSpec,
    UniversalitySpec,
)
assert set(ALL) <= set(SPECS.values())  # and whoever imports this may have kinds of its own

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
