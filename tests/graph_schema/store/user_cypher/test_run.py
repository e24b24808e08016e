"""A user's Cypher on real servers: it reads, it ends, and it never does more."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import LiteralString

import pytest
from neo4j import READ_ACCESS
from neo4j.exceptions import AuthError, ClientError, DriverError, Neo4jError

from graph_schema.errors import CypherError, SpecError, StoreUnavailable
from graph_schema.json_text import json_text
from graph_schema.processes import reserved_port
from graph_schema.store.connection import GraphStore, StoreAddress
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.servers.java import JavaServer
from graph_schema.store.user_cypher import run
from graph_schema.store.user_cypher.run import QueryResult, run_user_query
from tests.factories import make_circuit, make_run
from tests.graph_schema.store.test_connection import said
from tests.graph_schema.store.user_cypher.test_guard import ATTACKS, READS, READS_OF_NAMES
from tests.servers import COMMAND_SECONDS

FINGERPRINT = """
MATCH (n) WHERE NOT n:Schema OPTIONAL MATCH (n)-[r]->()
RETURN count(DISTINCT n) AS nodes, count(r) AS relationships,
       sum(size(keys(n))) AS properties
"""


@pytest.fixture
def filled(store: GraphStore) -> GraphStore:
    """A graph with one circuit."""
    store.write(lambda tx: write_circuit(tx, make_circuit(), make_run()))
    return store


def test_the_answer_has_columns_and_rows(filled: GraphStore) -> None:
    found = run_user_query(
        filled,
        "MATCH (c:Circuit {task: $task})-[:CONTAINS]->(n) RETURN n.name AS name, n.layer AS layer "
        "ORDER BY n.depth, name",
        {"task": "induction"},
    )
    assert found.columns == ("name", "layer")
    assert found.rows == (
        ("input", None),
        ("a0.h1", 0),
        ("m0", 0),
        ("a1.h2", 1),
        ("logits", None),
    )
    assert not found.truncated


def test_every_attack_leaves_the_graph_alone(filled: GraphStore) -> None:
    before = filled.rows(FINGERPRINT)
    for text in ATTACKS:
        with pytest.raises(CypherError):
            run_user_query(filled, text)
    assert filled.rows(FINGERPRINT) == before


@pytest.mark.parametrize("text", [text for text in READS if "$" not in text])
def test_a_harmless_text_is_answered(filled: GraphStore, text: str) -> None:
    run_user_query(filled, text)


@pytest.mark.parametrize("text", READS_OF_NAMES)
def test_names_that_read_like_clauses_are_names_to_the_server(
    filled: GraphStore, text: LiteralString
) -> None:
    filled.rows(text, set=1, call=2)


# The second layer alone: what the server itself refuses the reader, should the guard ever fail.
SERVER_REFUSES: list[LiteralString] = [
    "CREATE (n:X) RETURN n",
    "MERGE (n:X {a: 1}) RETURN n",
    "MATCH (n) SET n.a = 1 RETURN n",
    "MATCH (n) DETACH DELETE n",
    "MATCH (n) REMOVE n.name RETURN n",
    "CREATE INDEX x IF NOT EXISTS FOR (n:X) ON (n.a)",
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "LOAD CSV FROM 'http://127.0.0.1:{port}/' AS line RETURN line",
    "CALL do.when(true, 'CREATE (n:X)', '') YIELD value RETURN value",
]


@pytest.mark.parametrize("text", SERVER_REFUSES)
def test_the_reader_can_do_no_more_than_read(filled: GraphStore, text: LiteralString) -> None:
    before = filled.rows(FINGERPRINT)
    with filled.reader() as reader, pytest.raises((Neo4jError, DriverError)):
        _unguarded(reader, text)
    assert filled.rows(FINGERPRINT) == before


def _unguarded(reader: GraphStore, text: LiteralString) -> None:
    session = reader.driver.session(
        database=reader.address.database, default_access_mode=READ_ACCESS
    )
    with session, session.begin_transaction() as tx:
        tx.run(text).consume()
        tx.commit()


def test_a_query_that_never_ends_is_ended(filled: GraphStore) -> None:
    text = (
        "UNWIND range(1, 1000000) AS x UNWIND range(1, 1000000) AS y "
        "WITH x, y WHERE x + y < 0 RETURN count(*)"
    )
    start = time.monotonic()
    with pytest.raises(CypherError, match=r"took longer than 0\.5 s"):
        run_user_query(filled, text, seconds=0.5)
    took = time.monotonic() - start
    assert took < COMMAND_SECONDS - 2, "the server's own limit ended it, not the query's"
    assert run_user_query(filled, "RETURN 1 AS x").rows == ((1,),)


def test_a_million_rows_are_cut_and_said(filled: GraphStore) -> None:
    found = run_user_query(filled, "UNWIND range(1, 1000000) AS x RETURN x", rows=10)
    assert found.rows == tuple((number,) for number in range(1, 11))
    assert found.truncated


def test_exactly_as_many_rows_as_allowed_are_whole(filled: GraphStore) -> None:
    found = run_user_query(filled, "UNWIND range(1, 10) AS x RETURN x", rows=10)
    assert len(found.rows) == 10
    assert not found.truncated


def test_an_answer_of_too_many_bytes_is_cut_and_said(filled: GraphStore) -> None:
    text = "UNWIND range(1, 20) AS x RETURN reduce(t = 'a', i IN range(1, 10) | t + t) AS a"
    found = run_user_query(filled, text, size=5_000)  # rows of 1,024 letters
    assert [len(row[0]) for row in found.rows] == [1024] * 4
    assert found.cut_by == "query_bytes"
    assert run_user_query(filled, text, size=1_000).rows == ()
    assert not run_user_query(filled, text, size=30_000).truncated


@pytest.mark.parametrize(
    ("returned", "columns"),
    [
        ("c.task AS task, c AS `my circuit`, c.model, n", ("task", "my circuit", "c.model", "n")),
        ("DISTINCT c.task ORDER BY c.task LIMIT 3;", ("c.task",)),
        ("{a: c.task, b: [1, 2]} AS map, count(n) AS n", ("map", "n")),
    ],
)
def test_an_empty_answer_has_its_columns(
    store: GraphStore, returned: str, columns: tuple[str, ...]
) -> None:
    text = f"MATCH (c:Circuit {{task: 'none'}})-[:CONTAINS]->(n) RETURN {returned}"
    found = run_user_query(store, text)
    assert found == QueryResult(columns, ())


def test_every_value_becomes_json(filled: GraphStore) -> None:
    found = run_user_query(
        filled,
        "MATCH p = (a:CircuitNode {name: 'a0.h1'})-[e:EDGE]->(b) "
        "RETURN p, a, e, date('2026-01-02') AS d, datetime('2026-01-02T03:04:05Z') AS t, "
        "duration('P1DT2H') AS s, point({x: 1, y: 2}) AS place, [1, {k: null}] AS l, "
        "0.0 / 0.0 AS x",
    )
    row = dict(zip(found.columns, json.loads(json_text(found.rows[0])), strict=True))
    assert row["a"]["labels"] == ["CircuitNode"]
    assert row["a"]["properties"]["name"] == "a0.h1"
    assert row["e"]["type"] == "EDGE"
    assert row["e"]["properties"]["score"] == 1.5
    assert row["e"]["start"] == row["a"]["id"]
    assert [node["properties"]["name"] for node in row["p"]["nodes"]] == ["a0.h1", "a1.h2"]
    assert row["p"]["relationships"] == [row["e"]]
    assert row["d"] == "2026-01-02"
    assert row["t"].startswith("2026-01-02T03:04:05")
    assert row["s"] == "P1DT2H"
    assert row["place"]["coordinates"] == [1.0, 2.0]
    assert row["l"] == [1, {"k": None}]
    assert row["x"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RETRUN 1", "RETRUN"),
        ("MATCH (n) RETURN m", "m"),
        ("MATCH (n RETURN n", "line 1"),
        ("RETURN nothing(1)", "nothing"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(filled: GraphStore, text: str, said: str) -> None:
    with pytest.raises(CypherError) as caught:
        run_user_query(filled, text)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 450
    assert "java" not in message.lower()


def test_a_value_that_the_driver_cannot_read_is_the_querys_fault(store: GraphStore) -> None:
    with pytest.raises(CypherError, match=r"cannot be read.*toString"):
        run_user_query(store, "RETURN datetime({epochSeconds: 99999999999999}) AS then")


def test_a_parameter_without_a_value_is_named(embedded_store: GraphStore) -> None:
    with pytest.raises(CypherError, match=r"\$name has no value"):
        run_user_query(embedded_store, "RETURN $name")


def test_a_parameter_that_cannot_be_sent_is_said(embedded_store: GraphStore) -> None:
    with pytest.raises(CypherError, match="cannot be sent"):
        run_user_query(embedded_store, "RETURN $x", {"x": object()})


@pytest.mark.parametrize("value", [2**63, [1, {"a": -(2**63) - 1}]])
def test_an_integer_that_is_too_large_is_named(embedded_store: GraphStore, value: object) -> None:
    with pytest.raises(CypherError, match=r"parameter \$x holds -?922337203685477580\d; .*int64"):
        run_user_query(embedded_store, "RETURN $x AS x", {"x": value})
    assert run_user_query(embedded_store, "RETURN $x AS x", {"x": -(2**63)}).rows == ((-(2**63),),)


def test_an_integer_that_python_does_not_write_is_named(embedded_store: GraphStore) -> None:
    with pytest.raises(CypherError, match=r"parameter \$x holds a whole number of 16,\d+ bits"):
        run_user_query(embedded_store, "RETURN $x AS x", {"x": 10**5000})


def test_a_server_that_is_down_is_said(embedded_store: GraphStore) -> None:
    del embedded_store
    with (
        reserved_port() as port,
        GraphStore(StoreAddress(f"bolt://127.0.0.1:{port}"), patience=0.2) as away,
        pytest.raises(StoreUnavailable, match="cannot be reached"),
    ):
        run_user_query(away, "RETURN 1")


def test_a_reader_with_a_wrong_password_is_said(server: JavaServer) -> None:
    address = StoreAddress(
        server.address.uri,
        server.address.user,
        server.address.password,
        reader_user="reader",
        reader_password="wrong",
    )
    with GraphStore(address) as store, pytest.raises(SpecError, match="'reader'"):
        run_user_query(store, "RETURN 1")


def test_the_password_file_cannot_be_read_through_a_query(filled: GraphStore) -> None:
    """A text that reaches the server by another road than LOAD is not known; this is the known."""
    text = f"LOAD CSV FROM 'file://{Path('/etc/passwd')}' AS line RETURN line"
    with pytest.raises(CypherError, match="LOAD is refused"):
        run_user_query(filled, text)


def test_numbers_come_back_as_the_numbers_they_are(store: GraphStore) -> None:
    text = "UNWIND [0.0/0.0, 1.0/0.0, -1.0/0.0, -0.0, 9007199254740993] AS x RETURN x, [x] AS list"
    rows = run_user_query(store, text).rows
    assert math.isnan(rows[0][0])
    assert math.isnan(rows[0][1][0])
    assert [row[0] for row in rows[1:]] == [math.inf, -math.inf, 0.0, 9007199254740993]
    assert math.copysign(1.0, rows[3][0]) == -1.0
    assert type(rows[4][0]) is int
    found = run_user_query(store, "RETURN $x AS x", {"x": [math.nan, math.inf]}).rows[0][0]
    assert math.isnan(found[0])
    assert found[1] == math.inf
    dates = "RETURN date('2020-01-02') AS d, duration('P1D') AS e"
    assert run_user_query(store, dates).rows == (("2020-01-02", "P1D"),)


@pytest.mark.parametrize(
    ("kind", "code", "expected", "named"),
    [
        (ClientError, "ClientError.Statement.EntityNotFound", CypherError, "ask again"),
        (AuthError, "ClientError.Security.Unauthorized", StoreUnavailable, "no longer lets"),
        (ClientError, "ClientError.Request.Invalid", StoreUnavailable, "cannot be reached"),
        (ClientError, "ClientError.Statement.SemanticError", CypherError, "occurred$"),
    ],
)
def test_a_query_that_met_a_writer_or_the_end_of_the_server_is_told_what_it_met(
    arcadedb: JavaServer,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Neo4jError],
    code: str,
    expected: type[Exception],
    named: str,
) -> None:
    def met(*_: object) -> QueryResult:
        raise said(kind, code)

    monkeypatch.setattr(run, "_ask", met)
    with GraphStore(arcadedb.address) as store, pytest.raises(expected, match=named):
        run_user_query(store, "RETURN 1 AS one")
