"""What the embedded database leaves to the system to write: the files of new kinds, and their list.

What is committed is on the disk at once (`txWalFlush`). A kind of node or edge is two or more files
and a line in the list of all (`schema.json`), made when the first of it is written, and neither is
flushed: after a power cut within half a minute a circuit had all its nodes and no edge. So every
kind of the data model is made when the database is, and whenever the list changes later (an index
is packed), whoever owns the server flushes the folder.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import LiteralString, cast

from neo4j import Transaction

from graph_schema.private_files import flush
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.embedded import DATABASE
from graph_schema.store.vocabulary.data_model import NODE_KINDS, RELATIONSHIP_KINDS

LIST = "schema.json"


class _Enough(Exception):
    """Ends a transaction without a trace."""


def make_kinds(store: GraphStore) -> None:
    """Have the embedded server make all kinds of nodes and edges, and write none.

    Its schema is no part of a transaction: what a transaction that is taken back made of it stays.
    """
    labels = ", ".join(f"(:{kind.label})" for kind in NODE_KINDS)
    edges = ", ".join(f"(:Schema)-[:{kind.type}]->(:Schema)" for kind in RELATIONSHIP_KINDS)
    # Put together of constants of the data model alone.
    statement = cast("LiteralString", f"CREATE {labels}, {edges}")

    def work(tx: Transaction) -> None:
        tx.run(statement).consume()
        raise _Enough

    with suppress(_Enough):
        store.write(work)


class Flushed:
    """The folder of an embedded server, flushed whenever files came to it or went."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "databases"
        self._seen: int | None = None

    def look(self) -> bool:
        """Flush all files where the list of them has changed; True where that was so."""
        try:
            changed = (self._folder / DATABASE / LIST).stat().st_mtime_ns
        except FileNotFoundError:
            return False  # it is being replaced
        if changed == self._seen:
            return False
        flush_folder(self._folder)
        self._seen = changed
        return True


def flush_folder(folder: Path) -> None:
    """Return when the folder, and all in it, is on the disk; what goes away meanwhile is left."""
    for path in [*folder.rglob("*"), folder]:
        with suppress(FileNotFoundError):
            flush(path)
