"""Datasets in the graph, by the hash of their text, so that any worker finds them."""

from __future__ import annotations

from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import DatasetDocument, sha256_hex
from graph_schema.errors import DatasetError, NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.stored import stored_document

# A dataset is its text: what it was first called stays.
_WRITE: LiteralString = """
MERGE (d:Dataset {sha256: $sha256})
ON CREATE SET d.task = $task, d.n_pairs = $n_pairs, d.jsonl = $jsonl
"""
_READ: LiteralString = """
MATCH (d:Dataset {sha256: $sha256})
RETURN d.sha256 AS sha256, d.task AS task, d.n_pairs AS n_pairs, d.jsonl AS jsonl
"""
_HAS: LiteralString = "MATCH (d:Dataset {sha256: $sha256}) RETURN d.sha256 AS sha256"
_LINK: LiteralString = """
MATCH (d:Dataset {sha256: $sha256}) MATCH (t:Task {task_id: $task_id})
MERGE (d)-[:INSTANCE_OF]->(t)
"""


def write_dataset(tx: Transaction, dataset: DatasetDocument) -> None:
    """Write a dataset; again is the same.

    Raises:
        DatasetError: Its hash is not that of its text.
    """
    found = sha256_hex(dataset.jsonl)
    if found != dataset.sha256:
        raise DatasetError(
            f"dataset {dataset.sha256} has text with the hash {found}; build it again from its file"
        )
    tx.run(_WRITE, dataset.model_dump()).consume()


def link_dataset(tx: Transaction, sha256: str, task_id: str | None) -> None:
    """Say which task a dataset is of, where both are stored."""
    tx.run(_LINK, sha256=sha256, task_id=task_id).consume()


def has_dataset(store: GraphStore, sha256: str) -> bool:
    """Whether a dataset with this hash is stored."""
    return bool(store.rows(_HAS, sha256=sha256))


def read_dataset(store: GraphStore, sha256: str) -> DatasetDocument:
    """The dataset with this hash.

    Raises:
        NotFoundError: None is stored, or what is stored is not what was written.
    """
    rows = store.rows(_READ, sha256=sha256)
    if not rows:
        raise NotFoundError(f"no dataset has the hash {sha256!r}; submit its file again")
    dataset = stored_document(DatasetDocument, rows[0], f"dataset {sha256}")
    if sha256_hex(dataset.jsonl) != sha256:
        raise NotFoundError(f"dataset {sha256} is damaged in the graph; submit its file again")
    return dataset
