"""A server that takes calls and never answers is away, and is back when it answers again."""

from __future__ import annotations

import pytest

from graph_schema.errors import StoreUnavailable
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.java import JavaServer
from tests.doors import graph_behind_a_door


@pytest.mark.timeout(100)
def test_a_server_that_hangs_counts_as_away(arcadedb: JavaServer) -> None:
    with (
        graph_behind_a_door(arcadedb.address) as (address, way),
        GraphStore(address, patience=0.0, answer=2.0) as store,
    ):
        store.ping()
        way.hang()
        for _ in range(2):  # on the connection that there is, and on a new one
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                store.ping()
        way.go_on()
        store.patience = 60.0
        store.ping()
