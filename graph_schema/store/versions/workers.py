"""Version 10: live workers say in the graph what they serve."""

from __future__ import annotations

from graph_schema.store.schema_lock import Step

VERSION_10: tuple[Step, ...] = (
    "CREATE CONSTRAINT worker_id IF NOT EXISTS FOR (n:Worker) REQUIRE n.worker_id IS UNIQUE",
)
