"""A user's Cypher: guarded, on the read-only login, bounded in time, rows and bytes.

The guard refuses what does more than read (`guard.py`), the login refuses it again, and here the
limits hold: a query ends after `seconds`, by the server's own limit where it has one and by cutting
the connection where not; of more than `rows` rows, or `size` bytes, the first rows come back, and
the result says so. What a query holds in memory on its way there is up to the server.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString, cast

from neo4j import READ_ACCESS, Driver
from neo4j.exceptions import BrokenRecordError, DriverError, Neo4jError

from graph_schema.documents.limits import Limits
from graph_schema.errors import CircuitServiceError, CypherError, StoreUnavailable
from graph_schema.printable import whole_number
from graph_schema.store.address import away, conflicting, dropped, shut_out
from graph_schema.store.connection import GraphStore, to_our_error
from graph_schema.store.user_cypher.columns import returned_columns
from graph_schema.store.user_cypher.guard import Guarded, guard
from graph_schema.store.user_cypher.names import check_names
from graph_schema.store.user_cypher.values import plain

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
LONGEST_MESSAGE = 400
LARGEST_INTEGER = 2**63 - 1

LIMITS = Limits()

KINDS: LiteralString = """
CALL db.labels() YIELD label RETURN label AS name
UNION CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType AS name
"""
PROPERTIES: LiteralString = "CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey AS name"

_LONG_LIST = re.compile(r": expected (?!.{0,120}$)[^()]*(?:\([^()]*\)[^()]+)*(?= \(line)")


class CutBy(StrEnum):
    """The limit that cut an answer, by the name of its setting."""

    ROWS = "query_rows"
    BYTES = "query_bytes"


@dataclass(frozen=True)
class QueryResult:
    """The answer: plain values; `cut_by` a limit where it has more rows than these."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut_by: CutBy | None = None

    @property
    def truncated(self) -> bool:
        return self.cut_by is not None


def run_user_query(
    store: GraphStore,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    rows: int = LIMITS.query_rows,
    seconds: float = LIMITS.query_seconds,
    size: int = LIMITS.query_bytes,
) -> QueryResult:
    """The answer to a user's query, which can only read.

    Args:
        store: Where to ask; its read-only login is used where it has one.
        text: One Cypher statement.
        parameters: Values of its `$names`.
        rows: Return at most this many rows, and say when there were more.
        seconds: End it after this long.
        size: Return rows of at most so many bytes, as JSON, and say when there were more.

    Raises:
        CypherError: The query is refused, wrong, too slow or too large; the message says which.
        StoreUnavailable: The database cannot be reached.
    """
    guarded = guard(text)
    given = dict(parameters or {})
    missing = sorted(guarded.parameters - set(given))
    if missing:
        raise CypherError(
            f"parameter ${missing[0]} has no value; give one (--param {missing[0]}=VALUE)"
        )
    for name, value in given.items():
        try:
            _check_integers(name, value)
        except RecursionError:
            raise CypherError(f"parameter ${name} is nested too deep to be sent") from None
    with store.reader() as reader:
        reader.ping()  # waits where the server is starting; a query itself is never repeated
        check_names(
            guarded.tokens,
            kinds=lambda: [str(row["name"]) for row in reader.rows(KINDS)],
            properties=lambda: [str(row["name"]) for row in reader.rows(PROPERTIES)],
        )
        return _bounded(reader, guarded, given, rows, seconds, size)


def _check_integers(name: str, value: Any) -> None:
    """Cypher's integers have 64 bits."""
    if isinstance(value, int) and not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise CypherError(
            f"parameter ${name} holds {whole_number(value)}; expected integers of 64 bits "
            f"(int64), at most {LARGEST_INTEGER}; a larger number goes as text or with a decimal "
            "point"
        )
    if isinstance(value, Mapping):
        value = list(cast("Mapping[Any, Any]", value).values())
    if isinstance(value, list | tuple):
        for item in cast("list[Any] | tuple[Any, ...]", value):
            _check_integers(name, item)


def _bounded(
    reader: GraphStore,
    guarded: Guarded,
    given: dict[str, Any],
    rows: int,
    seconds: float,
    size: int,
) -> QueryResult:
    start = time.monotonic()
    # The embedded server ignores a query's own limit: when time is up the connection is cut.
    time_is_up = threading.Event()
    cut = threading.Timer(seconds + GRACE_SECONDS, _cut, (reader.driver, time_is_up))
    cut.daemon = True
    cut.start()
    try:
        return _ask(reader, guarded, given, rows, seconds, size)
    except Exception as error:
        # What a thread sees whose connection is closed by another can be any error.
        if time_is_up.is_set() or isinstance(error, DriverError | Neo4jError | OSError):
            raise _explain(error, reader, time.monotonic() - start, seconds) from error
        if isinstance(error, TypeError | ValueError | RecursionError):
            raise CypherError(f"a parameter cannot be sent: {error}") from error
        raise
    finally:
        cut.cancel()
        cut.join(GRACE_SECONDS)


def _ask(
    reader: GraphStore,
    guarded: Guarded,
    given: dict[str, Any],
    rows: int,
    seconds: float,
    size: int,
) -> QueryResult:
    session = reader.session(READ_ACCESS, fetch_size=min(1_000, rows + 1))
    # The one place where text that a user wrote is sent; `guard` has read it.
    text = cast("LiteralString", guarded.text)
    with session, session.begin_transaction(timeout=seconds) as tx:
        result = tx.run(text, given)
        columns = tuple(result.keys()) or returned_columns(guarded.tokens)
        found: list[tuple[Any, ...]] = []
        for record in result:
            if len(found) == rows:
                return QueryResult(columns, tuple(found), CutBy.ROWS)
            row = tuple(plain(value) for value in record.values())
            size -= len(json.dumps(row, ensure_ascii=False).encode(errors="replace"))
            if size < 0:
                return QueryResult(columns, tuple(found), CutBy.BYTES)
            found.append(row)
        return QueryResult(columns, tuple(found))


def _cut(driver: Driver, time_is_up: threading.Event) -> None:
    """End a query by taking its connection away; the server notices when it next writes."""
    time_is_up.set()
    try:
        driver.close()
    except Exception:  # the query's thread may close it at this moment
        log.debug("closing a query's connection", exc_info=True)


def _explain(
    error: Exception, reader: GraphStore, took: float, seconds: float
) -> CircuitServiceError:
    code = str(getattr(error, "code", "") or "")
    message = str(getattr(error, "message", "") or error)
    if took >= seconds:
        return CypherError(
            f"the query took longer than {seconds:g} s and was ended; narrow its pattern, add "
            "LIMIT, or raise CIRCUITS_LIMITS__QUERY_SECONDS"
        )
    if "TimedOut" in code or "timeout" in message.lower():
        return CypherError(
            f"the query was ended by the server's own limit, after {took:.1f} s; narrow its "
            "pattern or add LIMIT"
        )
    if away(error) or dropped(error) or shut_out(error):
        return to_our_error(error, reader.address, let_in=True)
    if isinstance(error, BrokenRecordError):
        return CypherError(
            f"the query returns a value that cannot be read: {_one_line(str(error.__cause__))}; "
            "return it as text (toString)"
        )
    if not isinstance(error, Neo4jError):
        return StoreUnavailable(f"graph database at {reader.address.uri}: {message}")
    why = _one_line(message)
    if conflicting(error):
        return CypherError(
            f"the query fails: {why}; where the graph was being written to, ask again"
        )
    return CypherError(f"the query fails: {why}")


def _one_line(message: str) -> str:
    """The first line, without a long list of all that could have stood there."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    line = _LONG_LIST.sub("", lines[0]) if lines else "no reason given"
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]} …"
