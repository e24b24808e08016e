"""What people write on a circuit or a job as a whole: notes and tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from graph_schema.documents.base import Document

LONGEST_NOTE = 2_000
LONGEST_TAG = 50


class Remark(Document):
    """A note on a circuit or a job, or a tag of it; `at` is the database's time, null until stored.

    Attributes:
        on: What `id` is of.
        text: A tag is one word; the same tag by two people is one.
    """

    schema_version: Literal[1] = 1
    on: Literal["circuit", "job"]
    id: str
    kind: Literal["note", "tag"]
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)]
    author: Annotated[str, Field(min_length=1, max_length=200)]
    at: int | None = None

    @property
    def remark_id(self) -> str:
        """Of place and text, and of a note's author: the same remark twice is one."""
        unsaid = {"at": None} | ({"author": "anybody"} if self.kind == "tag" else {})
        return self.model_copy(update=unsaid).content_id()
