"""The lock under which the graph's schema is changed, and what whoever holds it may do.

The lock is a lease on the `Schema` node, so a process that dies inside a migration holds nobody up
for more than `LOCK_SECONDS`. Whoever has it looks in each transaction whether it is still theirs: a
process that stood still for longer writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, LiteralString, TypeVar

from neo4j import Transaction

from graph_schema.store.batches import MOST, Row, fetch

Write = Callable[[Callable[[Transaction], Any]], Any]
Rows = Callable[..., list[dict[str, Any]]]
T = TypeVar("T")

LOCK_SECONDS = 60

# The first SET takes the write lock, so that the test after it sees what the last holder wrote.
_LOCK: LiteralString = """
MATCH (s:Schema {name: 'atlas'}) SET s.asked = $token
WITH s WHERE s.locked_until < timestamp() OR s.holder = $token
SET s.holder = $token, s.locked_until = timestamp() + $milliseconds
RETURN s.version AS version
"""
# Likewise: who holds it is looked at under the lock.
_STILL_HELD: LiteralString = """
MATCH (s:Schema {name: 'atlas'}) SET s.asked = $token
WITH s WHERE s.holder = $token
SET s.locked_until = timestamp() + $milliseconds
RETURN s.step AS step, s.after AS after
"""
_REACHED: LiteralString = (
    "MATCH (s:Schema {name: 'atlas', holder: $token}) SET s.step = $step, s.after = $after"
)
_UNLOCK: LiteralString = (
    "MATCH (s:Schema {name: 'atlas', holder: $token}) SET s.locked_until = 0, s.holder = ''"
)


def take_lock(write: Write, token: str) -> int | None:
    """The version as the holder of the lock sees it; None where another holds it."""

    def work(tx: Transaction) -> int | None:
        found = tx.run(_LOCK, token=token, milliseconds=LOCK_SECONDS * 1000).single()
        return None if found is None else int(found["version"])

    return write(work)


def release_lock(write: Write, token: str) -> None:
    """Let the next one have the lock, if it is still ours."""
    write(lambda tx: tx.run(_UNLOCK, token=token).consume())


class LockLost(Exception):
    """Another process has taken the lock since."""


class Held:
    """The lock on the schema while one step runs: every transaction first makes sure of it."""

    def __init__(self, write: Write, rows: Rows, token: str, step: str) -> None:
        self._write = write
        self.rows = rows
        """All rows of a reading statement."""
        self._token = token
        self._step = step

    def write(self, work: Callable[[Transaction], T]) -> T:
        """The result of `work`, committed if the lock is still ours."""

        def held(tx: Transaction) -> T:
            self._look(tx)
            return work(tx)

        return self._write(held)

    def run(self, statement: LiteralString, **parameters: Any) -> None:
        """Run one statement that may be repeated, after making sure of the lock."""
        self.write(lambda _: None)  # apart: a change of the schema takes no other statement
        self._write(lambda tx: tx.run(statement, parameters).consume())

    def rewrite(
        self,
        find: LiteralString,
        work: Callable[[Transaction, list[Row]], object],
        *,
        size: int = MOST,
    ) -> None:
        """Rewrite what `find` gives, `size` rows a transaction, in the order of their keys.

        Args:
            find: Returns rows with a text `key`, larger than `$after`, by key, `$limit` at most.
            work: Writes a batch. After a restart the step goes on behind the last batch written.
            size: Rows a transaction.
        """

        def batch(tx: Transaction) -> bool:
            rows = fetch(tx, find, after=self._look(tx), limit=size)
            if rows:
                work(tx, rows)
                reached = {"step": self._step, "after": rows[-1]["key"]}
                tx.run(_REACHED, reached, token=self._token).consume()
            return bool(rows)

        while self._write(batch):
            pass

    def _look(self, tx: Transaction) -> str:
        """How far this step is.

        Raises:
            LockLost: Another process holds the lock.
        """
        found = fetch(tx, _STILL_HELD, token=self._token, milliseconds=LOCK_SECONDS * 1000)
        if not found:
            raise LockLost
        return found[0]["after"] if found[0]["step"] == self._step else ""


Step = LiteralString | Callable[[Held], None]
