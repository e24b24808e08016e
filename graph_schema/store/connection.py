"""The one way to the graph database: explicit transactions, one retry, our errors.

`GraphStore` serves Neo4j and the embedded server through the official driver. Work is a function
of a transaction; it may run more than once, so it must write the same thing each time (MERGE on
content ids, transitions by token). Nothing else in the project retries.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, LiteralString, TypeVar

from neo4j import (
    READ_ACCESS,
    WRITE_ACCESS,
    Driver,
    GraphDatabase,
    Session,
    Transaction,
    TrustCustomCAs,
)
from neo4j.exceptions import (
    AuthError,
    ConfigurationError,
    ConstraintError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graph_schema.errors import CircuitServiceError, SpecError, StoreError, StoreUnavailable
from graph_schema.store import migrations
from graph_schema.store.batches import Batches, Row, WriteMissed, fetch, in_batches, write_rows
from graph_schema.store.driver import bound_answers

__all__ = [
    "ANSWER_SECONDS",
    "GraphStore",
    "Row",
    "StoreAddress",
    "connect",
    "fetch",
    "to_our_error",
    "write_rows",
]

log = logging.getLogger(__name__)

T = TypeVar("T")
LOST = (ServiceUnavailable, SessionExpired)  # IncompleteCommit is a ServiceUnavailable
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
MAX_CONFLICTS = 40
FEWEST_LOSSES, FEWEST_CONFLICTS = 3, 8
"""Tries that anybody patient makes: a machine may stand still for all of the time."""
ANSWER_SECONDS = 300.0
"""Longer than any statement of ours or a user's may take; else a server that hangs is waited for
without end."""
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class StoreAddress:
    """Where the graph is, who writes and who only reads. Passwords stay out of the repr.

    `bolt+s://` and `neo4j+s://` check the server, against the certificates in `ca_file` (PEM) where
    one is named and else against the system's.
    """

    uri: str
    user: str = "neo4j"
    password: str = field(default="", repr=False)
    database: str = "neo4j"
    reader_user: str | None = None
    reader_password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def as_reader(self) -> StoreAddress:
        """The same place with the read-only login, where there is one."""
        if self.reader_user is None:
            return self
        return StoreAddress(
            self.uri,
            self.reader_user,
            self.reader_password or "",
            self.database,
            ca_file=self.ca_file,
        )


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
        # On a cluster another server answers the next transaction: it waits until it has all that
        # this store has seen. Where there is one server it costs nothing.
        self._seen = GraphDatabase.bookmark_manager()

    def __enter__(self) -> GraphStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections. The store can be used again afterwards."""
        driver, self._driver = self._driver, None
        if driver is not None and self._pid == os.getpid():
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
        return self.driver.session(
            database=self.address.database,
            default_access_mode=access,
            bookmark_manager=self._seen,
            **options,
        )

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
        with self.session(access) as session, session.begin_transaction(timeout=seconds) as tx:
            result = work(tx)
            tx.commit()
            return result

    def _retry(self, work: Callable[[Transaction], T], access: str, seconds: float | None) -> T:
        end = time.monotonic() + self.patience
        conflicts = losses = 0
        pause, batches = FIRST_PAUSE, Batches()
        while True:
            late = time.monotonic() >= end  # before the try: what took long may have been a pause
            try:
                with in_batches(batches):
                    return self._once(work, access, seconds)
            except (DriverError, Neo4jError, WriteMissed) as error:
                smaller = batches.smaller()
                if _timed_out(error) and smaller is not None:
                    log.warning("ended for its time, again with %d rows a statement", smaller.rows)
                    batches = smaller
                elif isinstance(error, TransientError | ConstraintError | WriteMissed):
                    # A ConstraintError is two MERGEs of one id meeting (ArcadeDB): the loser's
                    # second try finds the winner's node. One that stays is a fault: hence a count.
                    conflicts += 1
                    enough = MAX_CONFLICTS if not late else FEWEST_CONFLICTS if self.patience else 1
                    if conflicts >= enough or _timed_out(error):
                        raise to_our_error(error, self.address) from error
                    log.debug("transaction repeated after %s", error)
                elif isinstance(error, LOST) or _uncommitted(error):
                    losses += 1
                    if late and (losses >= FEWEST_LOSSES or not self.patience):
                        raise to_our_error(error, self.address) from error
                    log.debug("connection lost, trying again: %s", error)
                else:
                    raise to_our_error(error, self.address) from error
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(LONGEST_PAUSE, pause * 2)


def connect(address: StoreAddress, answer: float = ANSWER_SECONDS) -> Driver:
    """A driver for this address, which has not asked the server yet. `GraphStore` has its own.

    Args:
        address: Where the server is.
        answer: As `GraphStore`'s.

    Raises:
        SpecError: The address is of no kind that we know.
    """
    uri, checked = address.uri, dict[str, Any]()
    scheme, _, place = uri.partition("://")
    if address.ca_file is not None and scheme in ("bolt+s", "neo4j+s"):
        # The driver takes certificates of ours with the plain scheme alone.
        uri = f"{scheme.removesuffix('+s')}://{place}"
        checked = {"encrypted": True, "trusted_certificates": TrustCustomCAs(address.ca_file)}
    try:
        driver = GraphDatabase.driver(
            uri,
            **checked,
            auth=(address.user, address.password),
            user_agent="circuit-atlas",
            connection_timeout=min(CONNECT_SECONDS, answer),
            connection_acquisition_timeout=min(60.0, answer),
            max_connection_lifetime=3600.0,
        )
    except (ConfigurationError, ValueError) as error:
        raise SpecError(
            f"graph address {address.uri!r} cannot be used: {error}; expected something like "
            "bolt://localhost:7687 or neo4j+s://host (CIRCUITS_GRAPH)"
        ) from error
    bound_answers(driver, answer)
    return driver


def _timed_out(error: Exception) -> bool:
    return "TimedOut" in str(getattr(error, "code", ""))


def _uncommitted(error: Exception) -> bool:
    """Whether the server could not commit, usually for want of room on its disk."""
    code = str(getattr(error, "code", ""))
    # The embedded server's words, and Neo4j's code.
    said = code.endswith("TransactionNotFound") and "error on commit" in str(error)
    return said or code.startswith("Neo.DatabaseError.Transaction.")


def _first_line(error: Exception) -> str:
    text = (error.message if isinstance(error, Neo4jError) else None) or str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].strip()


def to_our_error(error: Exception, address: StoreAddress) -> CircuitServiceError:
    """The error of ours that stands for the driver's."""
    if isinstance(error, AuthError):
        return SpecError(
            f"graph database at {address.uri} refuses user {address.user!r}: "
            f"{_first_line(error)}; check CIRCUITS_GRAPH_USER and CIRCUITS_GRAPH_PASSWORD"
        )
    if isinstance(error, LOST):
        return StoreUnavailable(
            f"graph database at {address.uri} cannot be reached: {_first_line(error)}; "
            "see that it runs and that CIRCUITS_GRAPH names it, then try again"
        )
    if _uncommitted(error):
        return StoreUnavailable(
            f"graph database at {address.uri} cannot commit: {_first_line(error)}; see that the "
            "disk it writes to has room, then try again"
        )
    if isinstance(error, TransientError):
        return StoreUnavailable(
            f"graph database at {address.uri} is too busy: {_first_line(error)}; try again"
        )
    return StoreError(
        f"graph database at {address.uri} refuses a statement: {_first_line(error)} "
        f"({getattr(error, 'code', None) or type(error).__name__})"
    )
