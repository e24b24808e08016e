"""Documents take no field beside their own, and none changes."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from graph_schema import documents
from graph_schema.documents import Document, jobs


def test_every_document_is_closed_and_frozen() -> None:
    """What is not a field cannot come in beside one."""
    for module in (documents, jobs):  # each name loads what it names
        assert all(getattr(module, name) is not None for name in module.__all__)

    def below(cls: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    found = list(below(Document))
    assert len(found) > 100
    for cls in found:
        assert cls.model_config.get("extra") == "forbid", cls
        assert cls.model_config.get("frozen"), cls
