"""Datasets in the graph, by the hash of their text, so that any worker finds them."""

from __future__ import annotations

from neo4j import Transaction

from graph_schema.documents import DatasetDocument, sha256_hex
from graph_schema.errors import DatasetError, NotFoundError
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import statements
from graph_schema.store.stored import stored_document


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
    tx.run(statements.WRITE_DATASET, dataset.model_dump()).consume()


def has_dataset(store: GraphStore, sha256: str) -> bool:
    """Whether a dataset with this hash is stored."""
    return bool(store.rows(statements.HAS_DATASET, sha256=sha256))


def read_dataset(store: GraphStore, sha256: str) -> DatasetDocument:
    """The dataset with this hash.

    Raises:
        NotFoundError: None is stored, or what is stored is not what was written.
    """
    rows = store.rows(statements.READ_DATASET, sha256=sha256)
    if not rows:
        raise NotFoundError(f"no dataset has the hash {sha256!r}; submit its file again")
    dataset = stored_document(DatasetDocument, rows[0], f"dataset {sha256}")
    if sha256_hex(dataset.jsonl) != sha256:
        raise NotFoundError(f"dataset {sha256} is damaged in the graph; submit its file again")
    return dataset
