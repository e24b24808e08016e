"""A part of a discover job: the scores of some of its pairs, which that job adds up."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from graph_schema.documents.jobs.base import MOST_SHARDS, JobSpec
from graph_schema.documents.jobs.discover import DiscoverSpec
from graph_schema.documents.jobs.record import JobRecord


class ShardSpec(JobSpec):
    """Everything that a part of a discover job's scores depends on. Its SHA-256 is the job id.

    Shard `index` of `of` scores the pairs of its part, which lie together in the order of the
    discovery split.
    """

    kind: Literal["shard"] = "shard"
    discover: DiscoverSpec
    index: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=2, le=MOST_SHARDS)]

    @model_validator(mode="after")
    def _is_a_part(self) -> ShardSpec:
        if self.index >= self.of:
            raise ValueError(f"index is {self.index}; expected less than {self.of}, how many are")
        if self.discover.method.name == "acdc":
            raise ValueError(NO_SHARDS)
        return self

    @property
    def part_of(self) -> str:
        """The id of the discover job."""
        return self.discover.job_id


NO_SHARDS = (
    "acdc decides edge after edge, each by all pairs, and has no scores of a part of them: leave "
    "shards out, or take a method that scores every edge"
)


def shards_of(record: JobRecord) -> int:
    """In how many shards a job is; 1 where it is in one piece."""
    return int(json.loads(record.placement).get("shards", 1))
