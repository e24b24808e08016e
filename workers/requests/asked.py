"""What a user hands over in Python, held to the kinds that a request's fields have.

The command line and the pages make values of the right kinds themselves; in Python anything may be
given, and would be met somewhere inside as an error of Python's own.
"""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, cast, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from graph_schema.errors import SpecError
from graph_schema.printable import quoted


class Asked:
    """A request: a dataclass whose fields are held to their annotations when it is made.

    Where they take text a path stands for its own, and a number of numpy's is Python's.

    Raises:
        SpecError: A value is of another kind; the message names it.
    """

    def __post_init__(self) -> None:
        for name, (adapter, kind) in _kinds(type(self)).items():
            given: object = getattr(self, name)
            if _fits(adapter, given):
                continue
            value = plain(given)
            if not _fits(adapter, value):
                raise SpecError(f"{name} is {quoted(given)}; expected {kind}")
            object.__setattr__(self, name, value)


def plain(given: object) -> Any:
    """Paths as text that reads as one, numpy's numbers as Python's, at first and in lists."""
    if isinstance(given, os.PathLike):
        text = os.fspath(cast("os.PathLike[str] | os.PathLike[bytes]", given))
        whole = not isinstance(text, str) or text.startswith(("/", "~", "./"))
        return text if whole else f"./{text}"
    if type(given).__module__ == "numpy" and hasattr(given, "tolist"):
        return cast(Any, given).tolist()
    if isinstance(given, list | tuple):
        return [plain(each) for each in cast("list[object] | tuple[object, ...]", given)]
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
