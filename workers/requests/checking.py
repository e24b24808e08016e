"""What a user typed, held to documents: a mistake is told in one line, in the words they used."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from graph_schema.documents import AnyMethod, AnyTask, Document
from graph_schema.documents.jobs import DEVICES, SPECS
from graph_schema.errors import SpecError
from graph_schema.printable import clipped, quoted, whole_number

ASKED = {"n_edges": "edges", "thresholds": "threshold", "memory_gib": "memory"}
"""What is asked for under another name than its field's."""

OTHER_NAMES = {"gpu": "cuda", "nvidia": "cuda", "metal": "mps"}
"""What devices are called elsewhere."""

LONGEST_SHOWN = 400
"""Characters of a wrong value that its message repeats."""

Params = Mapping[str, Any]
_Choice = TypeVar("_Choice", bound=StrEnum)
_Model = TypeVar("_Model", bound=BaseModel)


def _by_name(union: Any) -> dict[str, type[Document]]:
    members = get_args(get_args(union)[0])
    return {member.model_fields["name"].default: member for member in members}


METHODS = _by_name(AnyMethod)
TASKS = _by_name(AnyTask)


def unknown(what: str, given: str, choices: Collection[str]) -> str:
    """The message for a name that is none of `choices`: the nearest one, then all of them."""
    near = difflib.get_close_matches(given[:LONGEST_SHOWN], choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = clipped(given, LONGEST_SHOWN)
    return f"unknown {what} {shown!r}; {hint}expected one of: {', '.join(choices)}"


def choice(what: str, enum: type[_Choice], given: str) -> _Choice:
    """The member that a user named.

    Raises:
        SpecError: None has this name; the message lists them.
    """
    names = [member.value for member in enum]
    if given not in names:
        raise SpecError(unknown(what, given, names))
    return enum(given)


def named(
    what: str, classes: Mapping[str, type[Document]], name: str, params: Params | None
) -> Document:
    """The method or task called `name`, with its parameters."""
    if name not in classes:
        raise SpecError(unknown(what, name, classes))
    cls = classes[name]
    takes = [field for field in cls.model_fields if field not in ("name", "version")]
    for key in params or {}:
        if key not in takes:
            listed = f"it takes: {', '.join(takes)}" if takes else "it takes none"
            raise SpecError(f"{what} {name!r} has no parameter {key!r}; {listed}")
    # A parameter that is a method itself may be given by its name alone.
    named = {
        key: {"name": value} if key == "proposed_by" and isinstance(value, str) else value
        for key, value in (params or {}).items()
    }
    return validated(cls, named)


def kind_named(given: str) -> str:
    """The kind of job that a user named.

    Raises:
        SpecError: There is none of this name; the message lists them.
    """
    if given not in SPECS:
        raise SpecError(unknown("kind", given, sorted(SPECS)))
    return given


def device_named(given: str) -> str:
    """The device that a user named.

    Raises:
        SpecError: There is none of this name; the message lists them.
    """
    if given in DEVICES:
        return given
    if given.partition(":")[0] in DEVICES:
        raise SpecError(
            f"device {quoted(given)} names one of several; say {given.partition(':')[0]!r}: a "
            "worker has one GPU, which CUDA_VISIBLE_DEVICES says where the worker is started"
        )
    names = [*DEVICES, *OTHER_NAMES]
    near = difflib.get_close_matches(given[:LONGEST_SHOWN].lower(), names, n=1)
    hint = f"did you mean {OTHER_NAMES.get(near[0], near[0])!r}? " if near else ""
    raise SpecError(
        f"unknown device {quoted(given)}; {hint}expected one of: {', '.join(DEVICES)} (auto: "
        "whatever the worker has)"
    )


def validated(cls: type[_Model], values: Mapping[str, Any]) -> _Model:
    """A document of these values.

    Raises:
        SpecError: They do not fit; the first complaint, in one line.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        refuse(error)


def refuse(error: ValidationError) -> NoReturn:
    """Tell a document's first complaint in one line, in the words a user typed.

    Raises:
        SpecError: Always.
    """
    first = error.errors(include_url=False)[0]
    raise SpecError(complaint(first)) from error


def complaint(about: ErrorDetails) -> str:
    """A document's complaint in one line, in the words a user typed."""
    cause = about.get("ctx", {}).get("error")
    if about["type"] == "value_error" and cause is not None:
        return str(cause)
    name = _words(about["loc"])
    given = about["input"]
    reason = about["msg"].replace("Input should be", "expected", 1)
    return f"{name} is {_shown(given)}; {reason}"


def _shown(given: Any) -> str:
    """A value as a user writes it, cut where it is long."""
    if isinstance(given, int) and not isinstance(given, bool):
        return whole_number(given)
    try:
        return clipped(json.dumps(given, default=str, ensure_ascii=False), LONGEST_SHOWN)
    except (ValueError, TypeError, RecursionError):  # of Python's own: no JSON, or without end
        return quoted(given)


def _words(loc: Iterable[int | str]) -> str:
    """What the user calls the value at a place of a document; of a list's item, the list's name."""
    path = [part for part in loc if isinstance(part, str)]
    return ASKED.get(path[-1], path[-1]) if path else "the value"
