"""Fields of a form: each stands for an option of the command line, and is read like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph_schema.errors import SpecError


@dataclass(frozen=True)
class Field:
    """A field of a form: the option of a command that it stands for.

    Attributes:
        name: Of the request; `option` its name on the command line.
        choices: What it may be; () is any text.
        kind: What a number is read as.
        empty: What it says where nothing is given, unless the request has a default to show.
    """

    name: str
    option: str
    says: str
    choices: tuple[str, ...] = ()
    kind: type[int] | type[float] | None = None
    needed: bool = False
    empty: str = "none"

    def read(self, text: str) -> Any:
        """The value that a user typed.

        Raises:
            SpecError: It is no number.
        """
        if self.kind is None:
            return text
        try:
            return self.kind(text)
        except ValueError as error:
            kind = "a whole number" if self.kind is int else "a number"
            raise SpecError(f"{self.name} is {text!r}; expected {kind}") from error


def filled(fields: Sequence[Field], given: Mapping[str, str]) -> list[tuple[Field, str]]:
    """The fields in which a user has put something, with what."""
    found = ((each, given.get(each.name, "").strip()) for each in fields)
    return [(each, text) for each, text in found if text]


def values_of(fields: Sequence[Field], given: Mapping[str, str]) -> dict[str, Any]:
    """The values of a request; a field that is left empty is left out.

    Raises:
        SpecError: A field is not what it should be.
    """
    return {each.name: each.read(text) for each, text in filled(fields, given)}


def options_of(fields: Sequence[Field], given: Mapping[str, str]) -> list[str]:
    """The same as options of the command line."""
    return [f"{each.option}={text}" for each, text in filled(fields, given)]
