"""Models in the graph: written and held, found by a fingerprint's first digits, and their lineage.

A transaction that writes what depends on other nodes of its model (components, roles of nodes)
*holds* the model first: until it commits, others that hold it wait, or try again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString
from uuid import uuid4

from neo4j import Transaction

from graph_schema.documents import ModelDocument
from graph_schema.errors import NotFoundError, SpecError
from graph_schema.store.batches import Row, fetch, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.stored import stored_document

# The first SET takes the write lock; what its transaction reads after it, no other changes.
WRITE: LiteralString = """
MERGE (m:Model {fingerprint: $model.fingerprint})
SET m.lock = $token
SET m += $model
WITH m
MERGE (f:ModelFamily {name: $model.family})
MERGE (m)-[:IN_FAMILY]->(f)
"""
HOLD: LiteralString = """
UNWIND $fingerprints AS fingerprint
MATCH (m:Model {fingerprint: fingerprint}) SET m.lock = $token
"""
SET_WEIGHTS: LiteralString = """
MATCH (m:Model {fingerprint: $fingerprint}) SET m.weights_sha256 = $weights_sha256
RETURN count(m) AS written
"""
FIND: LiteralString = """
MATCH (m:Model) WHERE m.fingerprint STARTS WITH $prefix
RETURN properties(m) AS model ORDER BY m.fingerprint LIMIT 2
"""
# Taken by all who write this relation, so that of two that close a circle one sees the other.
LOCK: LiteralString = "MATCH (s:Schema {name: 'atlas'}) SET s.asked = $token"
WRITE_DERIVED: LiteralString = """
MATCH (later:Model {fingerprint: $later}) MATCH (earlier:Model {fingerprint: $earlier})
MERGE (later)-[:DERIVED_FROM]->(earlier)
RETURN count(later) AS written
"""
# What is said of one is said of all that have its weights.
DERIVED: LiteralString = """
MATCH (l:Model)-[:DERIVED_FROM]->(e:Model)
MATCH (later:Model)
WHERE later.fingerprint = l.fingerprint OR later.weights_sha256 = l.weights_sha256
MATCH (earlier:Model)
WHERE earlier.fingerprint = e.fingerprint OR earlier.weights_sha256 = e.weights_sha256
RETURN DISTINCT later.fingerprint AS later, earlier.fingerprint AS earlier
"""
SAME: LiteralString = """
MATCH (a:Model {fingerprint: $later}) MATCH (b:Model {fingerprint: $earlier})
WHERE a.weights_sha256 = b.weights_sha256
RETURN a.name AS name
"""


def write_model(tx: Transaction, model: ModelDocument) -> None:
    """Write a model and hold it; what its weights are stays where it is not said anew."""
    tx.run(WRITE, model=model.model_dump(), token=uuid4().hex).consume()


def write_loaded(tx: Transaction, model: ModelDocument) -> None:
    """Write what loading a model has shown: its weights, or all of it where it is not stored yet.

    The transaction holds the model where it is stored.
    """
    fields = {"fingerprint": model.fingerprint, "weights_sha256": model.weights_sha256}
    if not fetch(tx, SET_WEIGHTS, **fields)[0]["written"]:
        write_model(tx, model)


def hold_models(tx: Transaction, fingerprints: Iterable[str]) -> None:
    """Hold stored models to the end of the transaction, in one order for all who hold several."""
    tx.run(HOLD, fingerprints=sorted(set(fingerprints)), token=uuid4().hex).consume()


def stored_model(store: GraphStore, fingerprint: str) -> ModelDocument | None:
    """The stored model with this fingerprint."""
    rows = store.rows(FIND, prefix=fingerprint)
    return _model(rows[0]) if rows else None


def find_model(store: GraphStore, fingerprint: str) -> ModelDocument:
    """The stored model whose fingerprint starts so.

    Raises:
        NotFoundError: None, or several.
    """
    rows = store.rows(FIND, prefix=fingerprint)
    if not rows:
        raise NotFoundError(
            f"no stored model has a fingerprint that starts with {fingerprint!r}; give the model's "
            "hub id or folder"
        )
    if len(rows) > 1:
        raise NotFoundError(f"model {fingerprint!r} is the start of several; give more digits")
    return _model(rows[0])


def write_derived(store: GraphStore, later: str, earlier: str) -> None:
    """Say that one stored model was trained on from another: a checkpoint of the same run.

    Raises:
        SpecError: They are one model, or the earlier one is known to come from the later.
    """
    if later == earlier:
        raise SpecError(f"model {later} cannot come from itself; name two checkpoints")

    def work(tx: Transaction) -> None:
        tx.run(LOCK, token=uuid4().hex).consume()
        if fetch(tx, SAME, later=later, earlier=earlier):
            raise SpecError(
                f"models {later} and {earlier} have the same weights and are one, which cannot "
                "come from itself; name two checkpoints"
            )
        if later in _ancestors(fetch(tx, DERIVED)).get(earlier, ()):
            raise SpecError(
                f"model {earlier} is known to come from {later}, so it cannot be the earlier one; "
                "name the later checkpoint first"
            )
        write_rows(tx, WRITE_DERIVED, later=later, earlier=earlier, expected=1)

    store.write(work)


def ancestors(store: GraphStore) -> dict[str, set[str]]:
    """For each model, by fingerprint, all that it was trained on from, however many steps back."""
    return _ancestors(store.rows(DERIVED))


def _ancestors(derived: list[Row]) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {}
    for row in derived:
        parents.setdefault(row["later"], set()).add(row["earlier"])
    found: dict[str, set[str]] = {}
    for model in parents:
        reached, waiting = set[str](), list(parents[model])
        while waiting:
            if (step := waiting.pop()) not in reached:
                reached.add(step)
                waiting.extend(parents.get(step, ()))
        found[model] = reached
    return found


def _model(row: Row) -> ModelDocument:
    fields = ModelDocument.model_fields
    known = {name: value for name, value in row["model"].items() if name in fields}
    return stored_document(ModelDocument, known, f"model {known.get('name')!r}")
