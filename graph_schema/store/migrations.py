"""The schema of the graph, as numbered migrations that run once, under a lock.

A version is a list of steps (`versions/`), each a statement that may be repeated or a function that
rewrites what is stored: Neo4j allows no schema change beside data, and the embedded server stops a
command that runs too long. A rewriting step keeps how far it is in the graph, in the transaction of
each batch, and goes on from there after a restart (`schema_lock.py`).
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from typing import Any, LiteralString

from graph_schema.errors import StoreUnavailable, StoreVersionError
from graph_schema.store import schema_lock
from graph_schema.store.schema_lock import Held, LockLost, Rows, Write, release_lock, take_lock
from graph_schema.store.versions import VERSIONS

VERSION = len(VERSIONS)

_SCHEMA_ID: LiteralString = (
    "CREATE CONSTRAINT schema_name IF NOT EXISTS FOR (n:Schema) REQUIRE n.name IS UNIQUE"
)

WHOLE: LiteralString = "MATCH (whole:Schema {name: 'atlas'}) WHERE whole.restoring IS NULL\n"
"""Before a statement: it finds nothing while a backup is being restored."""
_READ: LiteralString = (
    "MATCH (s:Schema {name: 'atlas'}) RETURN s.version AS version, s.restoring AS restoring"
)
_CREATE: LiteralString = (
    "MERGE (s:Schema {name: 'atlas'}) ON CREATE SET s.version = 0, s.locked_until = 0"
)
_ADVANCE: LiteralString = """
MATCH (s:Schema {name: 'atlas', holder: $token})
SET s.version = $version
REMOVE s.step, s.after
"""


def migrate(write: Write, rows: Rows) -> None:
    """Bring the schema from whatever version it has to this code's.

    Raises:
        StoreVersionError: The database is newer than this code.
        StoreUnavailable: Another process has held the lock for too long, or a backup is being
            restored.
    """
    version = _version(rows)
    if version == VERSION:
        return
    if version is None:
        _run(write, _SCHEMA_ID)
        _run(write, _CREATE)
    token = secrets.token_hex(8)
    end = time.monotonic() + 3 * schema_lock.LOCK_SECONDS
    while True:
        late = time.monotonic() > end  # before the try: this process may have stood still since
        held = take_lock(write, token)
        if held is not None:
            with suppress(LockLost):  # this process stood still, and another went on
                _advance(write, rows, token, held)
        if _version(rows) == VERSION:
            return
        if late:
            raise StoreUnavailable(
                "another process has been migrating the graph database for "
                f"{3 * schema_lock.LOCK_SECONDS} s; wait for it to end, then try again"
            )
        time.sleep(0.2)


def _advance(write: Write, rows: Rows, token: str, version: int) -> None:
    try:
        for number, steps in list(enumerate(VERSIONS, start=1))[version:]:
            for place, step in enumerate(steps):
                held = Held(write, rows, token, f"{number}.{place}")
                if callable(step):
                    step(held)
                else:
                    held.run(step)
            last = Held(write, rows, token, "")
            last.write(
                lambda tx, number=number: tx.run(_ADVANCE, token=token, version=number).consume()
            )
    finally:
        release_lock(write, token)


def being_restored(rows: Rows) -> str | None:
    """Who restores a backup into the graph; None where nobody does."""
    found = rows(_READ)
    return found[0]["restoring"] if found else None


def _version(rows: Rows) -> int | None:
    """The database's version, None where it is empty."""
    found = rows(_READ)
    if found and (who := found[0]["restoring"]) is not None:
        raise StoreUnavailable(
            f"a backup is being restored into this graph, by {who}; wait for it to end. Where it "
            "was broken off, circuits restore FILE --force begins anew"
        )
    version = int(found[0]["version"]) if found else None
    if version is not None and version > VERSION:
        raise StoreVersionError(
            f"the graph database has schema version {version}, this code knows {VERSION}: "
            'upgrade the code (pip install --upgrade "circuit-atlas") or use another database'
        )
    return version


def _run(write: Write, statement: LiteralString, **parameters: Any) -> None:
    write(lambda tx: tx.run(statement, parameters).consume())
