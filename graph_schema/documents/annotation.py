"""What people write on the nodes of a circuit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from graph_schema.documents.base import Document, later
from graph_schema.documents.component import Component
from graph_schema.errors import SpecError


class Annotation(Document):
    """A remark on one node of one circuit; `at` is the database's time, null until stored.

    Attributes:
        kind: A `label` says what the node stands for, a `group` is the name of several nodes
            together (a supernode).
        score: How well a label tells where its node is active: a balanced accuracy, .5 is chance.
        also: Further nodes that the remark is on: a group's other members.
    """

    schema_version: Literal[1] = 1
    circuit_id: str
    component: str
    author: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    at: int | None = None
    kind: Literal["note", "label", "group"] = later("note")
    score: Annotated[float, Field(ge=0, le=1)] | None = later(None)
    also: tuple[str, ...] = later(())

    @field_validator("component")
    @classmethod
    def _is_a_component(cls, value: str) -> str:
        try:
            return Component.parse(value).name
        except SpecError as error:
            raise ValueError(str(error)) from error

    @field_validator("also")
    @classmethod
    def _are_components(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._is_a_component(each) for each in values)

    @property
    def annotation_id(self) -> str:
        """Of author, place and text: the same remark twice is one."""
        return self.model_copy(update={"at": None}).content_id()
