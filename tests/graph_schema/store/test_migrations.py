"""Migrations run once, under a lock; a newer database is refused."""

from __future__ import annotations

import re
import threading
from typing import LiteralString, cast

import pytest

from graph_schema.errors import StoreError, StoreUnavailable, StoreVersionError
from graph_schema.store import migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import read_circuit, write_circuit
from tests.factories import make_circuit, make_run

SET = "MERGE (s:Schema {name: 'atlas'}) SET s.version = $version"
READ = "MATCH (s:Schema {name: 'atlas'}) RETURN s.version AS version, s.holder AS holder"


@pytest.fixture
def versioned(store: GraphStore) -> GraphStore:
    """The schema node as migrations left it, put back by the next test's `migrate`."""
    return store


def _set(store: GraphStore, version: int) -> None:
    store.write(lambda tx: tx.run(SET, version=version).consume())


def test_eight_at_once_migrate_to_one_version(versioned: GraphStore) -> None:
    versioned.write(lambda tx: tx.run("MATCH (s:Schema) DELETE s").consume())
    failed: list[Exception] = []

    def migrate() -> None:
        try:
            with GraphStore(versioned.address) as store:
                store.migrate()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert versioned.rows(READ) == [{"version": migrations.VERSION, "holder": ""}]


def test_a_newer_database_is_refused_with_both_versions(versioned: GraphStore) -> None:
    newer = migrations.VERSION + 1
    _set(versioned, newer)
    try:
        with pytest.raises(
            StoreVersionError, match=f"version {newer}, this code knows {migrations.VERSION}"
        ):
            versioned.migrate()
    finally:
        _set(versioned, migrations.VERSION)


def test_the_lock_of_a_dead_holder_lapses(
    versioned: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.3)
    _set(versioned, 0)
    versioned.write(
        lambda tx: tx.run(
            "MATCH (s:Schema) SET s.holder = 'dead', s.locked_until = timestamp() + 600"
        ).consume()
    )
    versioned.migrate()
    assert versioned.rows(READ) == [{"version": migrations.VERSION, "holder": ""}]


def test_a_lock_that_stays_held_is_said(
    versioned: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.1)
    _set(versioned, 0)
    versioned.write(
        lambda tx: tx.run(
            "MATCH (s:Schema) SET s.holder = 'busy', s.locked_until = timestamp() + 3600000"
        ).consume()
    )
    try:
        with pytest.raises(StoreUnavailable, match="another process"):
            versioned.migrate()
    finally:
        versioned.write(lambda tx: tx.run("MATCH (s:Schema) SET s.locked_until = 0").consume())


IDS: dict[LiteralString, LiteralString] = {
    "ModelFamily": "name",
    "Model": "fingerprint",
    "Task": "task_id",
    "Dataset": "sha256",
    "Job": "job_id",
    "Run": "run_id",
    "Circuit": "circuit_id",
    "Component": "component_id",
    "CircuitNode": "node_id",
}


def test_ids_are_unique(store: GraphStore) -> None:
    impatient = GraphStore(store.address, patience=0.0)
    with impatient:
        for label, key in IDS.items():
            statement = f"CREATE (:{label} {{{key}: 'same'}})"
            _run(store, statement)
            with pytest.raises(StoreError, match="same"):
                _run(impatient, statement)


def _run(store: GraphStore, statement: LiteralString) -> None:
    store.write(lambda tx: tx.run(statement).consume())


def _made_by(number: int) -> list[tuple[str, str]]:
    """The constraints and indexes of a migration, by kind and name."""
    text = "\n".join(migrations.MIGRATIONS[number - 1])
    return re.findall(r"CREATE (CONSTRAINT|INDEX) (\w+)", text)


def test_a_database_at_version_1_is_brought_up_and_loses_nothing(versioned: GraphStore) -> None:
    made = _made_by(2)
    assert len(made) >= 9
    for kind, name in made:
        drop = cast("LiteralString", f"DROP {kind} {name} IF EXISTS")
        versioned.write(lambda tx, drop=drop: tx.run(drop).consume())
    _set(versioned, 1)
    circuit = make_circuit()
    versioned.write(lambda tx: write_circuit(tx, circuit, make_run()))
    remarks: LiteralString = (
        "MATCH (n:CircuitNode {name: 'a1.h2'}) UNWIND ['one', 'two'] AS text "
        "CREATE (:Annotation {author: 'me', text: text, at: 1})-[:ON]->(n)"
    )
    versioned.write(lambda tx: tx.run(remarks).consume())

    versioned.migrate()

    assert versioned.rows(READ)[0]["version"] == migrations.VERSION
    assert read_circuit(versioned, circuit.circuit_id) == circuit
    found = versioned.rows(
        "MATCH (a:Annotation)-[:ON]->(n) "
        "RETURN a.text AS text, a.annotation_id AS id, n.name AS name ORDER BY text"
    )
    assert [(row["text"], row["name"]) for row in found] == [("one", "a1.h2"), ("two", "a1.h2")]
    assert len({row["id"] for row in found} - {None}) == 2
    there = {row["name"] for row in versioned.rows("SHOW CONSTRAINTS YIELD name RETURN name")}
    assert {name for kind, name in made if kind == "CONSTRAINT"} <= there
