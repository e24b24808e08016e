"""The parts of a graph in a backup, one a line, each held to what a graph may hold."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from graph_schema.errors import SpecError
from graph_schema.printable import quoted
from graph_schema.store import dump

LONGEST = 256 * 2**20
"""Bytes of a line: a few packed megabytes may stand for more than a machine holds."""
CHUNK = 2**20

Part = TypeVar("Part", dump.Node, dump.Link)


def lines(packed: zipfile.ZipFile, name: str, kind: type[Part]) -> Iterator[Part]:
    """The parts in a file of a backup.

    Raises:
        SpecError: A line is none, or holds what no graph of ours does.
    """
    with packed.open(name) as entry:
        source = io.BufferedReader(entry, CHUNK)  # pyright: ignore[reportArgumentType]
        while line := source.readline(LONGEST + 1):
            if len(line) > LONGEST:
                raise SpecError(f"the backup's {name} has a line of more than {LONGEST:,} bytes")
            try:
                part = kind(*_fields(json.loads(line)))
            except (ValueError, TypeError, RecursionError) as error:
                raise SpecError(f"the backup's {name} has a line that is none: {error}") from error
            dump.require_ours(part)
            yield part


def _fields(line: Any) -> list[Any]:
    """Names, and at the end properties."""
    fields = cast("list[Any]", line) if isinstance(line, list) else []
    if not fields or not isinstance(fields[-1], dict):
        raise TypeError(f"{quoted(line)} does not end in properties")
    if not all(isinstance(each, str) for each in fields[:-1]):
        raise TypeError(f"{quoted(line)} has a name that is no text")
    return fields
