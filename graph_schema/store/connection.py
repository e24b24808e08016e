"""The one way to the graph database: explicit transactions, one retry, our errors.

`GraphStore` serves Neo4j and the embedded server through the official driver. Work is a function
of a transaction; it may run more than once, so it must write the same thing each time (MERGE on
content ids, transitions by token). Nothing else in the project retries.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

from neo4j import (
    READ_ACCESS,
    WRITE_ACCESS,
    Driver,
    GraphDatabase,
    Session,
    Transaction,
)
from neo4j.exceptions import DatabaseError, DriverError, Neo4jError

from graph_schema.errors import CircuitServiceError, SpecError
from graph_schema.store import migrations
from graph_schema.store.address import (
    StoreAddress,
    away,
    conflicting,
    connect,
    dropped,
    shut_out,
    timed_out,
    to_our_error,
    uncommitted,
)
from graph_schema.store.batches import Batches, Row, WriteMissed, fetch, in_batches, write_rows

__all__ = [
    "ANSWER_SECONDS",
    "GraphStore",
    "Row",
    "StoreAddress",
    "fetch",
    "to_our_error",
    "write_rows",
]

log = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
MAX_CONFLICTS = 40
FEWEST_LOSSES, FEWEST_CONFLICTS = 3, 8
"""Tries that anybody patient makes: a machine may stand still for all of the time."""
FAULTS = 5
"""Tries at what the server itself fails at, over some .7 s, before it is asked whether it works."""
ROOM = 16_384
"""Bytes that are written to see whether it does: more than a block of a full disk has left."""
_HAS_ROOM: LiteralString = "MATCH (s:Schema {name: 'atlas'}) SET s.asked = $text"
ANSWER_SECONDS = 300.0
"""Longer than any statement of ours or a user's may take; else a server that hangs is waited for
without end."""

_LET_IN = set[tuple[str, str, str, str]]()
"""Who was let in where, in this process or in what it was forked from: a store that has asked
nothing yet then knows that its settings are right. No lock, which a fork could inherit taken: the
set only grows, one `add` at a time."""


class GraphStore:
    """A graph database. Connects when first used; once per process, so it survives a fork.

    Args:
        address: Where it is.
        patience: Seconds to go on trying when the server is away or transactions collide, and
            then a few times more; 0 is a single try.
        answer: Seconds for which nothing may come from the server while it owes an answer; then
            the connection counts as lost.
    """

    def __init__(
        self, address: StoreAddress, *, patience: float = 10.0, answer: float = ANSWER_SECONDS
    ) -> None:
        self.address = address
        self.patience = patience
        self.answer = answer
        self._driver: Driver | None = None
        self._pid = 0
        self._guard = threading.Lock()
        self._asking = Counter[int]()
        self._who = (address.uri, address.user, address.password, address.database)
        # On a cluster another server answers the next transaction: it waits until it has all that
        # this store has seen. Where there is one server it costs nothing.
        self._seen = GraphDatabase.bookmark_manager()

    def __enter__(self) -> GraphStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections. The store can be used again afterwards.

        Where another thread is in the middle of asking, it lets go of them when it has its answer:
        the driver is not made for being closed under it.
        """
        with self._guard:
            driver, self._driver = self._driver, None
            if driver is None or self._pid != os.getpid() or self._asking[id(driver)]:
                return
        driver.close()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """The result of `work`, committed. It may run several times before it holds."""
        return self._retry(work, WRITE_ACCESS, None)

    def read(self, work: Callable[[Transaction], T], *, seconds: float | None = None) -> T:
        """The result of `work`, which only reads; `seconds` bounds it where the server can."""
        return self._retry(work, READ_ACCESS, seconds)

    def rows(self, query: LiteralString, **parameters: Any) -> list[Row]:
        """All rows of one of our own reading statements."""
        return self.read(lambda tx: fetch(tx, query, **parameters))

    def ping(self) -> None:
        """Return once the database answers.

        Raises:
            StoreUnavailable: It does not, for as long as our patience lasts.
        """
        self.rows("RETURN 1 AS one")

    def migrate(self) -> None:
        """Bring the schema up to this code's version; costs one read where it is already.

        Raises:
            StoreVersionError: The database is newer than the code.
        """
        migrations.migrate(self.write, self.rows)

    def reader(self) -> GraphStore:
        """A store on the read-only login that sees what this one has; the caller closes it."""
        reader = GraphStore(self.address.as_reader(), patience=self.patience, answer=self.answer)
        reader._seen = self._seen
        return reader

    def session(self, access: str, **options: Any) -> Session:
        """A session that sees all that this store, or the one it is a reader of, has seen."""
        return self._session(self.driver, access, **options)

    def _session(self, driver: Driver, access: str, **options: Any) -> Session:
        return driver.session(
            database=self.address.database,
            default_access_mode=access,
            bookmark_manager=self._seen,
            **options,
        )

    @contextmanager
    def _kept_open(self) -> Generator[Driver]:
        """The driver, which stays open for the block; closed behind it where the store was."""
        with self._guard:
            driver = self.driver
            self._asking[id(driver)] += 1
        try:
            yield driver
        finally:
            with self._guard:
                self._asking[id(driver)] -= 1
                left = not self._asking[id(driver)] and driver is not self._driver
            if left:
                driver.close()

    @property
    def driver(self) -> Driver:
        """This process's driver (what a fork inherited is left to its owner)."""
        if self._driver is None or self._pid != os.getpid():
            # Notifications are hints to whoever types Cypher; without handlers they would reach
            # standard error through logging's last resort.
            logging.getLogger("neo4j.notifications").setLevel(logging.ERROR)
            self._driver = connect(self.address, self.answer)
            self._pid = os.getpid()
        return self._driver

    def _once(self, work: Callable[[Transaction], T], access: str, seconds: float | None) -> T:
        with (
            self._kept_open() as driver,
            self._session(driver, access) as session,
            session.begin_transaction(timeout=seconds) as tx,
        ):
            result = work(tx)
            _LET_IN.add(self._who)
            tx.commit()
            return result

    def _retry(self, work: Callable[[Transaction], T], access: str, seconds: float | None) -> T:
        end = time.monotonic() + self.patience
        conflicts = losses = faults = 0
        pause, batches = FIRST_PAUSE, Batches()
        while True:
            late = time.monotonic() >= end  # before the try: what took long may have been a pause
            try:
                with in_batches(batches):
                    return self._once(work, access, seconds)
            except (DriverError, Neo4jError, WriteMissed) as error:
                smaller = batches.smaller()
                if timed_out(error) and smaller is not None:
                    log.warning("ended for its time, again with %d rows a statement", smaller.rows)
                    batches = smaller
                elif self._is_lost(error):
                    losses += 1
                    if late and (losses >= FEWEST_LOSSES or not self.patience):
                        raise self._ours(error) from error
                    log.debug("connection lost, trying again: %s", error)
                elif conflicting(error) or isinstance(error, WriteMissed):
                    # One that stays is a fault: hence a count.
                    conflicts += 1
                    enough = MAX_CONFLICTS if not late else FEWEST_CONFLICTS if self.patience else 1
                    if conflicts >= enough or timed_out(error):
                        raise self._ours(error) from error
                    faults += isinstance(error, DatabaseError)
                    if faults >= FAULTS and self._works(access):
                        raise self._ours(error, works=True) from error
                    log.debug("transaction repeated after %s", error)
                else:
                    raise self._ours(error) from error
            except (UnicodeEncodeError, OverflowError) as error:  # as the driver packs values
                raise SpecError(
                    f"a value cannot be sent to the graph database: {error}; expected text in "
                    "UTF-8 and whole numbers of 64 bits"
                ) from error
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(LONGEST_PAUSE, pause * 2)

    def _is_lost(self, error: Exception) -> bool:
        """Whether what was asked may have been lost on its way, or not got through.

        A connection that the server no longer knows is not used again, nor are those beside it.
        """
        if dropped(error) or (shut_out(error) and self._who in _LET_IN):
            self.close()
            return True
        return away(error) or uncommitted(error)

    def _works(self, access: str) -> bool:
        """Whether the server answers, and for a writer commits: on a full disk it only answers."""
        asked: list[tuple[LiteralString, str]] = [("RETURN 1 AS one", "")]
        if access == WRITE_ACCESS:
            # Whoever takes the lock on the schema writes `asked`, and nobody reads it.
            asked = [(_HAS_ROOM, "." * ROOM), (_HAS_ROOM, "")]
        try:
            for query, text in asked:
                self._once(lambda tx, q=query, t=text: fetch(tx, q, text=t), access, None)
        except (DriverError, Neo4jError):
            return False
        return True

    def _ours(self, error: Exception, *, works: bool = False) -> CircuitServiceError:
        return to_our_error(error, self.address, let_in=self._who in _LET_IN, works=works)
