"""What a user hands over in Python, held to the kinds that a request's fields have.

The command line and the pages make values of the right kinds themselves; in Python anything may be
given, and would be met somewhere inside as an error of Python's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import islice
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from graph_schema.errors import SpecError
from graph_schema.printable import quoted

DEEPEST = 20
"""Lists in lists; what lies deeper is refused as it stands."""
MOST_ITEMS = 1_000_000


class Asked:
    """A request: a dataclass whose fields are held to their annotations when it is made.

    Where they take text a path stands for its own, a number of numpy's or torch's is Python's, and
    where they take a list so do a range, a set, a generator, an array. A whole float is a number of
    something.

    Raises:
        SpecError: A value is of another kind; the message names it.
    """

    def __post_init__(self) -> None:
        for name, (adapter, kind) in _kinds(type(self)).items():
            given: object = getattr(self, name)
            if _fits(adapter, given) and not isinstance(given, Mapping):
                continue
            value = plain(given)
            if not _fits(adapter, value):
                value = _counted(value)
            if not _fits(adapter, value):
                raise SpecError(f"{name} is {quoted(given)}; expected {kind}")
            object.__setattr__(self, name, value)


def plain(given: object, depth: int = DEEPEST) -> Any:
    """What stands for text, numbers, lists and mappings of Python's as these, also inside of them.

    A path is text that reads as one; arrays, series and tensors are their numbers, and any other
    iterable its items, a set's in one order whichever process asks.

    Raises:
        SpecError: It has no end that is worth waiting for.
    """
    if isinstance(given, str | bytes | bytearray | BaseModel | type) or depth == 0:
        return given
    if isinstance(given, os.PathLike):
        text = os.fspath(cast("os.PathLike[str] | os.PathLike[bytes]", given))
        whole = not isinstance(text, str) or text.startswith(("/", "~", "./"))
        return text if whole else f"./{text}"
    if callable(listed := getattr(given, "tolist", None)):
        return plain(listed(), depth - 1)
    if isinstance(given, Mapping):
        items = cast("Mapping[Any, object]", given).items()
        return {key: plain(value, depth - 1) for key, value in items}
    if isinstance(given, Iterable):
        items = list(islice(cast("Iterable[object]", given), MOST_ITEMS + 1))
        if len(items) > MOST_ITEMS:
            raise SpecError(f"{quoted(given)} has more than {MOST_ITEMS:,} items")
        items = sorted(items, key=repr) if isinstance(given, Set) else items
        found = [plain(item, depth - 1) for item in items]
        return tuple(found) if isinstance(given, tuple) else found
    return given


def as_text(what: str, given: object) -> str:
    """A value that is text.

    Raises:
        SpecError: It is none; the message begins with what it is.
    """
    if not isinstance(given, str):
        raise SpecError(f"{what} is {quoted(given)}; expected text")
    return given


def _counted(given: object) -> object:
    """The same with whole floats as numbers of something."""
    if isinstance(given, float) and given.is_integer():
        return int(given)
    if isinstance(given, list | tuple):
        return [_counted(each) for each in cast("list[object] | tuple[object, ...]", given)]
    return given


def _fits(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        adapter.validate_python(value, strict=True)
    except (ValidationError, RecursionError):
        return False
    return True


@cache
def _kinds(cls: type) -> dict[str, tuple[TypeAdapter[Any], str]]:
    """For each field what checks it, and its annotation as a message has it."""
    hints = get_type_hints(cls)
    lax = ConfigDict(arbitrary_types_allowed=True)
    return {
        field.name: (TypeAdapter(hints[field.name], config=lax), str(field.type))
        for field in fields(cls)
        if not is_dataclass(hints[field.name])
    }
