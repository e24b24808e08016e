"""The data model with what is stored of it: the answer to `circuits schema`."""

from __future__ import annotations

from typing import LiteralString

from graph_schema.documents import Document
from graph_schema.store.connection import GraphStore
from graph_schema.store.vocabulary.data_model import NODE_KINDS, RELATIONSHIP_KINDS

LABEL_COUNTS: LiteralString = "MATCH (n) UNWIND labels(n) AS name RETURN name, count(*) AS n"
TYPE_COUNTS: LiteralString = "MATCH ()-[r]->() RETURN type(r) AS name, count(*) AS n"


class SchemaPart(Document):
    """A label or a relationship type: how many, what it is, its properties, an example query.

    `sender` and `receiver` are a relationship's two labels, None for a label.
    """

    name: str
    about: str
    count: int
    properties: dict[str, str]
    example: str
    sender: str | None = None
    receiver: str | None = None


class SchemaSummary(Document):
    """What the graph holds."""

    version: int
    nodes: tuple[SchemaPart, ...]
    relationships: tuple[SchemaPart, ...]


def summarise_schema(store: GraphStore) -> SchemaSummary:
    """The data model with counts; what the database alone knows comes last, without words."""
    labels = {str(row["name"]): int(row["n"]) for row in store.rows(LABEL_COUNTS)}
    types = {str(row["name"]): int(row["n"]) for row in store.rows(TYPE_COUNTS)}
    version = store.rows("MATCH (s:Schema) RETURN s.version AS version")
    nodes = [
        SchemaPart(
            name=kind.label,
            about=kind.about,
            count=labels.pop(kind.label, 0),
            properties=kind.properties,
            example=kind.example,
        )
        for kind in NODE_KINDS
    ]
    relationships = [
        SchemaPart(
            name=kind.type,
            about=kind.about,
            count=types.pop(kind.type, 0),
            properties=kind.properties,
            example=kind.example,
            sender="|".join(kind.senders),
            receiver="|".join(kind.receivers),
        )
        for kind in RELATIONSHIP_KINDS
    ]
    return SchemaSummary(
        version=int(version[0]["version"]) if version else 0,
        nodes=(*nodes, *(_unknown(name, n, f"(n:{name})") for name, n in sorted(labels.items()))),
        relationships=(
            *relationships,
            *(_unknown(name, n, f"()-[n:{name}]->()") for name, n in sorted(types.items())),
        ),
    )


def _unknown(name: str, count: int, pattern: str) -> SchemaPart:
    return SchemaPart(
        name=name,
        about="not of this data model",
        count=count,
        properties={},
        example=f"MATCH {pattern} RETURN n LIMIT 10",
    )
