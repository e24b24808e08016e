"""Transactions, the one retry, and the errors that a user sees."""

from __future__ import annotations

import logging
import resource
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import pytest
from neo4j import Transaction
from neo4j.exceptions import AuthError, ClientError, DatabaseError, Neo4jError, TransientError

from graph_schema.errors import SpecError, StoreError, StoreUnavailable
from graph_schema.processes import reserved_port
from graph_schema.store import connection
from graph_schema.store.connection import GraphStore, StoreAddress, fetch
from graph_schema.store.servers.embedded import start_embedded
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.user_cypher.run import run_user_query
from tests.servers import START_SECONDS, WAIT_SECONDS


def test_a_write_is_read_back(store: GraphStore) -> None:
    store.write(lambda tx: tx.run("CREATE (:Task {task_id: 'a', size: 1.5})").consume())
    assert store.rows("MATCH (t:Task) RETURN t.task_id AS id, t.size AS size") == [
        {"id": "a", "size": 1.5}
    ]


def test_an_error_in_the_work_rolls_back(store: GraphStore) -> None:
    def work(tx: Transaction) -> None:
        tx.run("CREATE (:Task {task_id: 'a'})").consume()
        raise SpecError("no")

    with pytest.raises(SpecError, match="no"):
        store.write(work)
    assert store.rows("MATCH (t:Task) RETURN count(t) AS n") == [{"n": 0}]


def test_racing_merges_of_one_id_make_one_node(store: GraphStore) -> None:
    def merge() -> None:
        for number in range(5):
            store.write(
                lambda tx, number=number: tx.run(
                    "MERGE (t:Task {task_id: $id}) SET t.seen = coalesce(t.seen, 0) + 1",
                    id=f"t{number}",
                ).consume()
            )

    threads = [threading.Thread(target=merge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.rows("MATCH (t:Task) RETURN t.task_id AS id, t.seen AS seen ORDER BY id")
    assert rows == [{"id": f"t{number}", "seen": 8} for number in range(5)]


def test_a_statement_the_server_refuses_is_our_error(store: GraphStore) -> None:
    with pytest.raises(StoreError, match="refuses a statement"):
        store.rows("MATCH (n RETURN n")


def test_a_wrong_password_names_the_user_and_the_settings(server: JavaServer) -> None:
    address = StoreAddress(server.address.uri, server.address.user, "not the password")
    with (
        GraphStore(address) as store,
        pytest.raises(SpecError, match=r"refuses user .*CIRCUITS_GRAPH_PASSWORD"),
    ):
        store.ping()


def test_a_server_that_is_down_is_tried_again_and_named_with_the_next_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, connection.__name__)
    with reserved_port() as port:
        address = StoreAddress(f"bolt://127.0.0.1:{port}", "neo4j", "secret")
        named = rf"{address.uri} cannot be reached.*CIRCUITS_GRAPH"
        with GraphStore(address, patience=0.3) as store:
            with pytest.raises(StoreUnavailable, match=named):
                store.ping()
            tried_again = caplog.text.count("connection lost, trying again")
            assert connection.FEWEST_LOSSES <= tried_again + 1 < 20
            caplog.clear()
        with GraphStore(address, patience=0.0) as store:
            with pytest.raises(StoreUnavailable, match=named):
                store.ping()
            assert "trying again" not in caplog.text


def test_a_conflict_after_standing_still_is_no_reason_to_give_up(
    embedded_store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience is over when each try fails, as on a machine that stands still."""
    monkeypatch.setattr(connection, "LONGEST_PAUSE", 0.01)
    patient, tries = GraphStore(embedded_store.address, patience=1e-6), 0

    def work(tx: Transaction) -> int:
        nonlocal tries
        tries += 1
        if tries < connection.FEWEST_CONFLICTS:
            raise TransientError("another transaction was first")
        return fetch(tx, "RETURN 1 AS one")[0]["one"]

    with patient:
        assert patient.write(work) == 1
        tries = -100
        with pytest.raises(StoreUnavailable, match="too busy"):
            patient.write(work)
    assert tries + 100 <= connection.MAX_CONFLICTS


def said(kind: type[Neo4jError], code: str) -> Neo4jError:
    """What the driver raises where a server says so."""

    class Said(kind):
        @property
        def code(self) -> str:
            return f"Neo.{code}"

    return Said(code)


LATER = {
    "a record that was taken back, or removed": (
        said(ClientError, "ClientError.Statement.EntityNotFound"),
        "too busy",
    ),
    "a transaction that was ended": (
        said(ClientError, "ClientError.Transaction.Terminated"),
        "too busy",
    ),
    "a server that fails, as one that ends does": (
        said(DatabaseError, "DatabaseError.General.UnknownError"),
        "fails.*see its log",
    ),
    "a connection that is not known any more": (
        said(ClientError, "ClientError.Request.Invalid"),
        "cannot be reached",
    ),
    "a transaction that is not known any more": (
        said(ClientError, "ClientError.Transaction.TransactionNotFound"),
        "cannot be reached",
    ),
    "a database that is starting": (
        said(TransientError, "TransientError.Database.DatabaseUnavailable"),
        "cannot be reached",
    ),
    "a user who was let in before": (
        said(AuthError, "ClientError.Security.Unauthorized"),
        "no longer lets",
    ),
    "a database that was there before": (
        said(ClientError, "ClientError.Database.DatabaseNotFound"),
        "no longer lets",
    ),
}


@pytest.mark.parametrize("what", LATER)
@pytest.mark.parametrize("way", ["read", "write"])
def test_what_may_hold_the_next_time_is_tried_again(
    embedded_store: GraphStore, what: str, way: str
) -> None:
    error, named = LATER[what]
    tries = 0

    def work(tx: Transaction) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        return fetch(tx, "RETURN 1 AS one")[0]["one"]

    with GraphStore(embedded_store.address, patience=30.0) as store:
        store.ping()
        assert getattr(store, way)(work) == 1
    assert tries == 2
    with GraphStore(embedded_store.address, patience=0.0) as store:
        store.ping()
        tries = 0
        with pytest.raises(StoreUnavailable, match=named):
            getattr(store, way)(work)
    assert tries == 1


def test_a_store_that_has_asked_nothing_waits_where_another_was_let_in(
    embedded_store: GraphStore,
) -> None:
    """As one for the lease alone: an ending server that refuses it has not been set up wrongly."""
    error, named = LATER["a user who was let in before"]
    tries = 0

    def work(tx: Transaction) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        return fetch(tx, "RETURN 1 AS one")[0]["one"]

    embedded_store.ping()
    with GraphStore(embedded_store.address, patience=30.0) as new:
        assert new.write(work) == 1
    assert tries == 2
    with GraphStore(embedded_store.address, patience=0.0) as new:
        tries = 0
        with pytest.raises(StoreUnavailable, match=named):
            new.write(work)
    for other in ({"user": "another"}, {"password": "another"}, {"database": "another"}):
        with GraphStore(replace(embedded_store.address, **other), patience=30.0) as new:
            with pytest.raises((SpecError, StoreError)) as refused:
                new.ping()
            assert not refused.value.retryable


@pytest.mark.parametrize("way", ["read", "write"])
def test_what_a_working_server_fails_at_each_time_is_not_to_be_tried_again(
    embedded_store: GraphStore, way: str
) -> None:
    """A worker would else compute a job's result once more for each of its attempts."""
    tries = 0

    def work(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        raise said(DatabaseError, "DatabaseError.General.UnknownError")

    with (
        GraphStore(embedded_store.address, patience=600.0) as store,
        pytest.raises(StoreError, match=r"fails at a statement each time.*see its log") as told,
    ):
        getattr(store, way)(work)
    assert not told.value.retryable
    assert tries == connection.FAULTS


@pytest.mark.slow
def test_a_server_that_ends_in_order_and_starts_again_is_waited_for(
    own_arcadedb: JavaServer,
) -> None:
    """Before it closes connections it forgets who has logged in, and fails what is under way."""
    address, ended = own_arcadedb.address, threading.Event()
    begun = [threading.Event() for _ in range(4)]
    asked: LiteralString = """
    UNWIND range(1, 200) AS n MERGE (t:Task {task_id: $name + n}) RETURN count(t) AS n
    """

    def ask(number: int) -> None:
        with GraphStore(address, patience=WAIT_SECONDS) as store:
            while not ended.is_set():
                rows = store.write(lambda tx: fetch(tx, asked, name=f"{number} "))
                assert rows == [{"n": 200}]
                begun[number].set()

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            assert all(each.wait(WAIT_SECONDS) for each in begun)
            own_arcadedb.stop()
            again = start_embedded(
                own_arcadedb.log.parent,
                port=int(address.uri.rpartition(":")[2]),
                heap_megabytes=512,
                seconds=START_SECONDS,
            )
        finally:
            ended.set()
        try:
            assert again.address == address
            for each in asking:
                each.result(WAIT_SECONDS)
        finally:
            again.stop(1.0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of a process: Linux")
def test_a_commit_without_room_is_waited_for_and_loses_nothing(own_arcadedb: JavaServer) -> None:
    """The server's files may not grow, as on a full disk."""
    pid, unlimited = own_arcadedb.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def make(task_id: str) -> Callable[[Transaction], object]:
        return lambda tx: tx.run("MERGE (:Task {task_id: $id})", id=task_id).consume()

    with (
        GraphStore(own_arcadedb.address, patience=0.1) as hasty,
        GraphStore(own_arcadedb.address, patience=60.0) as patient,
        ThreadPoolExecutor(1) as pool,
    ):
        hasty.migrate()
        hasty.write(make("room a"))  # the first of its kind makes files, and fails in other words
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
        try:
            with pytest.raises(StoreUnavailable, match=r"cannot commit.*has room"):
                hasty.write(make("room b"))
            waiting = pool.submit(patient.write, make("room c"))
            many: LiteralString = """
            UNWIND range(1, 3000) AS n MERGE (t:Task {task_id: 'many ' + n}) SET t.size = n
            """
            with pytest.raises(StoreUnavailable, match=r"fails.*UnknownError"):  # it still answers
                hasty.write(lambda tx: tx.run(many).consume())
            with pytest.raises(StoreUnavailable):
                hasty.write(make("room d"))
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        waiting.result(60)
        found = (
            "MATCH (t:Task) WHERE t.task_id STARTS WITH 'room' RETURN t.task_id AS id ORDER BY id"
        )
        assert hasty.rows(found) == [{"id": "room a"}, {"id": "room c"}]


def test_an_address_that_is_none_is_a_spec_error() -> None:
    with GraphStore(StoreAddress("localhost:7687")) as store, pytest.raises(SpecError):
        store.ping()


def test_passwords_stay_out_of_the_repr() -> None:
    address = StoreAddress("bolt://h", "u", "secret-1", reader_user="r", reader_password="secret-2")
    assert "secret" not in repr(address)


def test_no_password_shows_in_the_process_list(server: JavaServer) -> None:
    process = Path("/proc", str(server.process.pid))
    shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert server.address.password.encode() not in shown
    assert (server.address.reader_password or "?").encode() not in shown


def test_what_the_server_writes_only_its_owner_reads(server: JavaServer) -> None:
    folder = server.log.parent
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # the server has put it away since
            assert path.stat().st_mode & 0o077 == 0, path


def test_fetch_gives_dictionaries_inside_a_transaction(store: GraphStore) -> None:
    assert store.read(lambda tx: fetch(tx, "UNWIND [1, 2] AS x RETURN x")) == [{"x": 1}, {"x": 2}]


def test_what_is_written_is_seen_by_the_next_session_wherever_it_is_answered(
    store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    """On a cluster another server may answer: it is told what to wait for, readers' too.

    The embedded server is always alone, and gives no bookmarks.
    """
    write: LiteralString = "CREATE (:Task {task_id: 'a'})"
    store.write(lambda tx: tx.run(write).consume())
    given = "neo4j" in str(store.rows("CALL dbms.components() YIELD name RETURN name")).lower()
    caplog.set_level(logging.DEBUG, "neo4j.io")
    with store.reader() as reader:
        asked: list[Callable[[], object]] = [
            lambda: store.rows("RETURN 1 AS one"),
            lambda: reader.rows("RETURN 1 AS one"),
            lambda: run_user_query(store, "RETURN 1 AS one"),
        ]
        for ask in asked:
            caplog.clear()
            ask()
            begun = [line for line in caplog.messages if " C: BEGIN " in line]
            assert begun
            assert all(("bookmarks" in line) == given for line in begun)
