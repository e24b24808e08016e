"""What a record hangs on must be stored before it: looked up first, and named where it is missing.

Without this a statement that matches before it writes would write nothing, and say so in no words
that a user can act on.
"""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.errors import NotFoundError
from graph_schema.store.batches import fetch


def require_stored(tx: Transaction, statement: LiteralString, what: str, ids: list[str]) -> None:
    """Refuse to go on where the graph lacks what a record hangs on.

    Args:
        tx: The transaction that is about to write the record.
        statement: Returns, as `id`, those of `$ids` that are there.
        what: The kind of record, for the message.
        ids: What must be there.

    Raises:
        NotFoundError: One is not; the message names the first.
    """
    there = {row["id"] for row in fetch(tx, statement, ids=ids)}
    if missing := [each for each in ids if each not in there]:
        raise NotFoundError(f"{what} {missing[0]!r} is not stored; store it first")
