"""The schema of the graph, as numbered migrations that run once, under a lock.

A migration is a list of statements that may be repeated (`IF NOT EXISTS`), each in a transaction
of its own: Neo4j allows no schema change beside data, and the embedded server stops a command
that runs too long. The lock is a lease on the `Schema` node, so a process that dies inside a
migration holds nobody up for more than `LOCK_SECONDS`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, LiteralString

from neo4j import Transaction

from graph_schema.errors import StoreUnavailable, StoreVersionError

Write = Callable[[Callable[[Transaction], Any]], Any]
Rows = Callable[..., list[dict[str, Any]]]

LOCK_SECONDS = 60

_SCHEMA_ID: LiteralString = (
    "CREATE CONSTRAINT schema_name IF NOT EXISTS FOR (n:Schema) REQUIRE n.name IS UNIQUE"
)

_MIGRATION_1: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT family_name IF NOT EXISTS FOR (n:ModelFamily) REQUIRE n.name IS UNIQUE",
    "CREATE CONSTRAINT model_fingerprint IF NOT EXISTS FOR (n:Model) "
    "REQUIRE n.fingerprint IS UNIQUE",
    "CREATE CONSTRAINT task_id IF NOT EXISTS FOR (n:Task) REQUIRE n.task_id IS UNIQUE",
    "CREATE CONSTRAINT dataset_sha256 IF NOT EXISTS FOR (n:Dataset) REQUIRE n.sha256 IS UNIQUE",
    "CREATE CONSTRAINT job_id IF NOT EXISTS FOR (n:Job) REQUIRE n.job_id IS UNIQUE",
    "CREATE CONSTRAINT run_id IF NOT EXISTS FOR (n:Run) REQUIRE n.run_id IS UNIQUE",
    "CREATE CONSTRAINT circuit_id IF NOT EXISTS FOR (n:Circuit) REQUIRE n.circuit_id IS UNIQUE",
    "CREATE CONSTRAINT component_id IF NOT EXISTS FOR (n:Component) "
    "REQUIRE n.component_id IS UNIQUE",
    "CREATE CONSTRAINT node_id IF NOT EXISTS FOR (n:CircuitNode) REQUIRE n.node_id IS UNIQUE",
    "CREATE INDEX job_state IF NOT EXISTS FOR (n:Job) ON (n.state)",
    "CREATE INDEX circuit_job IF NOT EXISTS FOR (n:Circuit) ON (n.job_id)",
    "CREATE INDEX circuit_model IF NOT EXISTS FOR (n:Circuit) ON (n.fingerprint)",
    "CREATE INDEX circuit_task IF NOT EXISTS FOR (n:Circuit) ON (n.task)",
)

_MIGRATION_2: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT role_name IF NOT EXISTS FOR (n:Role) REQUIRE n.name IS UNIQUE",
    "CREATE CONSTRAINT role_graph_id IF NOT EXISTS FOR (n:RoleGraph) "
    "REQUIRE n.role_graph_id IS UNIQUE",
    "CREATE CONSTRAINT role_node_id IF NOT EXISTS FOR (n:RoleNode) "
    "REQUIRE n.role_node_id IS UNIQUE",
    "CREATE CONSTRAINT motif_id IF NOT EXISTS FOR (n:Motif) REQUIRE n.motif_id IS UNIQUE",
    "CREATE CONSTRAINT occurrence_id IF NOT EXISTS FOR (n:Occurrence) "
    "REQUIRE n.occurrence_id IS UNIQUE",
    "CREATE CONSTRAINT verdict_id IF NOT EXISTS FOR (n:Verdict) REQUIRE n.verdict_id IS UNIQUE",
    # Those that somebody wrote by hand, before there was an id to give.
    "MATCH (n:Annotation) WHERE n.annotation_id IS NULL SET n.annotation_id = randomUUID()",
    "CREATE CONSTRAINT annotation_id IF NOT EXISTS FOR (n:Annotation) "
    "REQUIRE n.annotation_id IS UNIQUE",
    "CREATE INDEX circuit_node_role IF NOT EXISTS FOR (n:CircuitNode) ON (n.role)",
    "CREATE INDEX motif_name IF NOT EXISTS FOR (n:Motif) ON (n.name)",
)

_MIGRATION_3: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT evaluation_id IF NOT EXISTS FOR (n:Evaluation) "
    "REQUIRE n.evaluation_id IS UNIQUE",
)

# What lists of ten thousand circuits need: without them a label scan sorts all of them.
_MIGRATION_4: tuple[LiteralString, ...] = (
    "CREATE INDEX circuit_created IF NOT EXISTS FOR (n:Circuit) ON (n.created_at)",
    "CREATE INDEX circuit_model_name IF NOT EXISTS FOR (n:Circuit) ON (n.model)",
    "CREATE INDEX circuit_family IF NOT EXISTS FOR (n:Circuit) ON (n.family)",
    "CREATE INDEX circuit_task_id IF NOT EXISTS FOR (n:Circuit) ON (n.task_id)",
)

_MIGRATION_5: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT motif_test_id IF NOT EXISTS FOR (n:MotifTest) REQUIRE n.test_id IS UNIQUE",
)

MIGRATIONS: tuple[tuple[LiteralString, ...], ...] = (
    _MIGRATION_1,
    _MIGRATION_2,
    _MIGRATION_3,
    _MIGRATION_4,
    _MIGRATION_5,
)
VERSION = len(MIGRATIONS)

_READ: LiteralString = "MATCH (s:Schema {name: 'atlas'}) RETURN s.version AS version"
_CREATE: LiteralString = (
    "MERGE (s:Schema {name: 'atlas'}) ON CREATE SET s.version = 0, s.locked_until = 0"
)
# The first SET takes the write lock, so that the test after it sees what the last holder wrote.
_LOCK: LiteralString = """
MATCH (s:Schema {name: 'atlas'}) SET s.asked = $token
WITH s WHERE s.locked_until < timestamp() OR s.holder = $token
SET s.holder = $token, s.locked_until = timestamp() + $milliseconds
RETURN s.version AS version
"""
_ADVANCE: LiteralString = """
MATCH (s:Schema {name: 'atlas', holder: $token})
SET s.version = $version, s.locked_until = timestamp() + $milliseconds
"""
_UNLOCK: LiteralString = (
    "MATCH (s:Schema {name: 'atlas', holder: $token}) SET s.locked_until = 0, s.holder = ''"
)


def migrate(write: Write, rows: Rows) -> None:
    """Bring the schema from whatever version it has to `VERSION`.

    Raises:
        StoreVersionError: The database is newer than this code.
        StoreUnavailable: Another process has held the lock for too long.
    """
    version = _version(rows)
    if version == VERSION:
        return
    if version is None:
        _run(write, _SCHEMA_ID)
        _run(write, _CREATE)
    token = secrets.token_hex(8)
    end = time.monotonic() + 3 * LOCK_SECONDS
    while True:
        late = time.monotonic() > end  # before the try: this process may have stood still since
        held = _lock(write, token)
        if held is not None:
            break
        if _version(rows) == VERSION:
            return
        if late:
            raise StoreUnavailable(
                f"another process has been migrating the graph database for {3 * LOCK_SECONDS} s; "
                "wait for it to end, then try again"
            )
        time.sleep(0.2)
    try:
        for number in range(held + 1, VERSION + 1):
            for statement in MIGRATIONS[number - 1]:
                _run(write, statement)
            _run(write, _ADVANCE, token=token, version=number, milliseconds=LOCK_SECONDS * 1000)
    finally:
        _run(write, _UNLOCK, token=token)


def _version(rows: Rows) -> int | None:
    """The database's version, None where it is empty."""
    found = rows(_READ)
    version = int(found[0]["version"]) if found else None
    if version is not None and version > VERSION:
        raise StoreVersionError(
            f"the graph database has schema version {version}, this code knows {VERSION}: "
            'upgrade the code (pip install --upgrade "circuit-atlas") or use another database'
        )
    return version


def _lock(write: Write, token: str) -> int | None:
    """The version as the holder of the lock sees it; None where another holds it."""

    def work(tx: Transaction) -> int | None:
        found = tx.run(_LOCK, token=token, milliseconds=LOCK_SECONDS * 1000).single()
        return None if found is None else int(found["version"])

    return write(work)


def _run(write: Write, statement: LiteralString, **parameters: Any) -> None:
    write(lambda tx: tx.run(statement, parameters).consume())
