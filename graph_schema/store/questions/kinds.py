"""What a named question is: its parameters, and the Cypher that asks it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString


class ParameterKind(StrEnum):
    """What a parameter's value must be; names and ids are looked up in the graph."""

    CIRCUIT = "circuit"
    MODEL = "model"
    VERDICT = "verdict"
    MOTIF = "motif"
    TASK = "task"
    ROLE = "role"
    RUNG = "rung"
    COMPONENT = "component"
    WHOLE = "whole number"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True)
class Parameter:
    """A question's parameter; without a default it must be given, unless it is `optional`."""

    name: str
    kind: ParameterKind
    about: str
    default: int | float | str | None = None
    optional: bool = False
    least: float | None = None
    most: float | None = None

    @property
    def required(self) -> bool:
        return self.default is None and not self.optional


@dataclass(frozen=True)
class Question:
    """A question that ships: its name, what it answers, its parameters, its Cypher."""

    name: str
    answers: str
    parameters: tuple[Parameter, ...]
    cypher: LiteralString
