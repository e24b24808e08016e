"""Writing many rows: a batch a statement, and smaller batches where a server ends one for its time.

A server's limit is on a statement (the embedded one) or on a whole transaction; how long a row
takes depends on the machine. So a transaction that was ended for its time is tried again with half
the rows a statement, down to `FEWEST` (`connection.py`): a result that cannot be written in one go
is not lost.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, LiteralString, TypeVar

from neo4j import Transaction

MOST = 2_000
"""Rows a statement: each then stays far below the embedded server's command timeout."""
FEWEST = 50

Row = dict[str, Any]
T = TypeVar("T")


class WriteMissed(Exception):
    """A statement did not find what its transaction had just written: try again.

    The embedded server loses sight of a merged node when another transaction commits it at the
    same moment; what follows would silently match nothing.
    """


@dataclass
class Batches:
    """How many rows a statement of one transaction takes, and took at most."""

    rows: int = MOST
    taken: int = 0

    def smaller(self) -> Batches | None:
        """Half of what was taken, to try again; None where that would not help."""
        return Batches(max(FEWEST, self.taken // 2)) if self.taken > FEWEST else None


_BATCHES: ContextVar[Batches | None] = ContextVar("batches", default=None)


@contextmanager
def in_batches(batches: Batches) -> Generator[None]:
    """Let the statements of this block take as many rows as `batches` says."""
    before = _BATCHES.set(batches)
    try:
        yield
    finally:
        _BATCHES.reset(before)


def lots(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The rows, so many at a time."""
    waiting = iter(rows)
    while lot := list(islice(waiting, size)):
        yield lot


def batched(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows, as many at a time as a statement of this transaction takes."""
    batches = _BATCHES.get() or Batches()
    for batch in lots(rows, batches.rows):
        batches.taken = max(batches.taken, len(batch))
        yield batch


def grouped(rows: Iterable[Row], key: str) -> Iterator[list[Row]]:
    """Rows by what they share under `key`, a batch of them at a time: `{key: …, "rows": […]}`.

    What a group hangs on is then looked up once for all its rows.
    """
    for batch in batched(sorted(rows, key=lambda row: row[key])):
        groups = groupby(batch, key=lambda row: row[key])
        yield [{key: shared, "rows": list(of)} for shared, of in groups]


def fetch(tx: Transaction, query: LiteralString, **parameters: Any) -> list[Row]:
    """All rows of a statement, as dictionaries of plain values, lists and maps.

    Our statements return no nodes, so no value need be looked into as the driver's `data()` does.
    """
    result = tx.run(query, parameters)
    names = result.keys()
    return [dict(zip(names, values, strict=True)) for values in result.values()]


def fetch_batches(
    tx: Transaction, query: LiteralString, rows: Iterable[Any], **parameters: Any
) -> list[Row]:
    """All rows of a reading statement on `$rows`, a batch at a time."""
    found: list[Row] = []
    for batch in batched(rows):
        found += fetch(tx, query, rows=batch, **parameters)
    return found


def write_rows(tx: Transaction, query: LiteralString, *, expected: int, **parameters: Any) -> None:
    """Run a writing statement that returns, as `written`, how many rows it wrote.

    Raises:
        WriteMissed: Not as many as expected.
    """
    written = fetch(tx, query, **parameters)[0]["written"]
    if written != expected:
        raise WriteMissed(f"{written} of {expected} rows written")


def write_batches(
    tx: Transaction, statement: LiteralString, rows: Iterable[Any], **parameters: Any
) -> None:
    """Run a statement on `$rows`, a batch at a time; each must write all it was given.

    Raises:
        WriteMissed: It wrote fewer.
    """
    for batch in batched(rows):
        write_rows(tx, statement, rows=batch, expected=len(batch), **parameters)


def write_groups(
    tx: Transaction, statement: LiteralString, rows: Iterable[Row], key: str, **parameters: Any
) -> None:
    """Run a statement on `$rows`, each a group of `grouped`; it must write all rows of each.

    Raises:
        WriteMissed: It wrote fewer.
    """
    for groups in grouped(rows, key):
        expected = sum(len(group["rows"]) for group in groups)
        write_rows(tx, statement, rows=groups, expected=expected, **parameters)
