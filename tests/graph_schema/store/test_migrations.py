"""Migrations run once, under a lock; a newer database is refused."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path
from typing import LiteralString, cast

import pytest
from neo4j import Transaction

from graph_schema.errors import SpecError, StoreError, StoreUnavailable, StoreVersionError
from graph_schema.store import migrations, schema_lock, versions
from graph_schema.store.connection import GraphStore, Row
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


LASTING = {
    "graph_schema.documents": {"sha256_hex"},
    "graph_schema.store.batches": {"Row", "fetch", "write_batches"},
    "graph_schema.store.schema_lock": {"Held", "Step"},
}
"""What a version may import of ours: nothing that says how a document or a record looks today."""


def test_a_version_imports_nothing_that_changes_with_the_code() -> None:
    for file in Path(versions.__file__).parent.glob("*.py"):
        for line in ast.walk(ast.parse(file.read_text())):
            if isinstance(line, ast.Import):
                assert not any(name.name.startswith("graph_schema") for name in line.names)
            if not isinstance(line, ast.ImportFrom) or line.module is None:
                continue
            if line.module.startswith("graph_schema") and ".versions." not in line.module:
                names = {name.name for name in line.names}
                assert names <= LASTING.get(line.module, set()), f"{file.name}: {line.module}"


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
    monkeypatch.setattr(schema_lock, "LOCK_SECONDS", 0.3)
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
    monkeypatch.setattr(schema_lock, "LOCK_SECONDS", 0.1)
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
    steps = migrations.VERSIONS[number - 1]
    text = "\n".join(step for step in steps if not callable(step))
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
    versioned.write(lambda tx: tx.run("MATCH (n:CircuitNode) REMOVE n.roles").consume())
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


def test_a_rewriting_step_goes_on_where_it_was(
    versioned: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 25 documents the process dies at the 13th, and none is rewritten twice."""
    fill: LiteralString = (
        "UNWIND range(10, 34) AS i CREATE (:Task {task_id: toString(i), times: 0})"
    )
    versioned.write(lambda tx: tx.run(fill).consume())
    find: LiteralString = (
        "MATCH (t:Task) WHERE t.task_id > $after RETURN t.task_id AS key ORDER BY key LIMIT $limit"
    )
    again: LiteralString = (
        "UNWIND $rows AS row MATCH (t:Task {task_id: row.key}) SET t.times = t.times + 1"
    )
    dies = True

    def rewrite(held: schema_lock.Held) -> None:
        def work(tx: Transaction, rows: list[Row]) -> None:
            if dies and rows[0]["key"] == "22":
                raise SpecError("the process dies")
            tx.run(again, rows=rows).consume()

        held.rewrite(find, work, size=3)

    _new_version(monkeypatch, rewrite)
    try:
        with pytest.raises(SpecError, match="dies"):
            versioned.migrate()
        times: LiteralString = (
            "MATCH (t:Task) RETURN t.times AS times, count(t) AS n ORDER BY times"
        )
        assert versioned.rows(times) == [{"times": 0, "n": 13}, {"times": 1, "n": 12}]
        dies = False
        versioned.migrate()
        assert versioned.rows(times) == [{"times": 1, "n": 25}]
        found = versioned.rows("MATCH (s:Schema) RETURN s.version AS v, s.step AS s, s.after AS a")
        assert found == [{"v": migrations.VERSION, "s": None, "a": None}]
    finally:
        _set(versioned, migrations.VERSION - 1)


def test_a_process_that_lost_the_lock_writes_nothing(
    versioned: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still for longer than its lease, and another one has migrated meanwhile."""
    taken: LiteralString = (
        "MATCH (s:Schema) SET s.holder = 'another', s.locked_until = timestamp() + 600"
    )
    tries = 0

    def step(held: schema_lock.Held) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            versioned.write(lambda tx: tx.run(taken).consume())
            held.write(lambda tx: tx.run("CREATE (:Task {task_id: 'late'})").consume())

    _new_version(monkeypatch, step)
    try:
        versioned.migrate()
        assert tries == 2
        late = versioned.rows("MATCH (t:Task {task_id: 'late'}) RETURN count(t) AS n")
        assert late == [{"n": 0}]
        assert versioned.rows(READ) == [{"version": migrations.VERSION, "holder": ""}]
    finally:
        _set(versioned, migrations.VERSION - 1)


def _new_version(monkeypatch: pytest.MonkeyPatch, *steps: schema_lock.Step) -> None:
    """A version of the schema after the last one."""
    versions = (*migrations.VERSIONS, steps)
    monkeypatch.setattr(migrations, "VERSIONS", versions)
    monkeypatch.setattr(migrations, "VERSION", len(versions))
