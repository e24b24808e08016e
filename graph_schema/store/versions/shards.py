"""Version 11: the shards of a job are found by the job."""

from __future__ import annotations

from graph_schema.store.schema_lock import Step

VERSION_11: tuple[Step, ...] = (
    "CREATE INDEX job_part_of IF NOT EXISTS FOR (n:Job) ON (n.part_of)",
)
