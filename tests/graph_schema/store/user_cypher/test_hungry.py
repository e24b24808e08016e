"""Queries that would take a server's time or memory end by a limit, and the server lives on."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from graph_schema.errors import CypherError
from graph_schema.store.connection import GraphStore
from graph_schema.store.user_cypher.run import run_user_query
from tests.servers import COMMAND_SECONDS

DEEP = 5_000
HUNGRY = {
    "a regular expression that goes back and back": (
        f"RETURN '{'a' * 50}!' =~ '(.*a){{30}}' AS x",
        f"RETURN '{'a' * 50}!' =~ '(a|aa)+$' AS x",
    ),
    "lists": (
        "UNWIND range(1, 1000000000) AS x WITH collect(x) AS y RETURN size(y) AS x",
        "RETURN size([x IN range(1, 1000000000) | x]) AS x",
    ),
    "paths": (
        "UNWIND range(1, 400) AS i MATCH p = (a)-->{1,100000}(b) RETURN count(p) AS x",
        "MATCH (a), (b), (c), (d), (e), (f), (g), (h), (i), (j) RETURN count(*) AS x",
    ),
    "brackets": (
        f"RETURN {'(' * DEEP}1{')' * DEEP} AS x",
        f"RETURN {'[' * DEEP}1{']' * DEEP} AS x",
        f"RETURN {'NOT ' * DEEP}true AS x",
    ),
}


@pytest.mark.parametrize("kind", HUNGRY)
def test_it_ends_and_the_server_lives_on(embedded_store: GraphStore, kind: str) -> None:
    for text in HUNGRY[kind]:
        began = time.monotonic()
        with suppress(CypherError):  # or it was done in time
            run_user_query(embedded_store, text, seconds=1.0)
        assert time.monotonic() - began < COMMAND_SECONDS
        assert run_user_query(embedded_store, "RETURN 1 AS x").rows == ((1,),)
