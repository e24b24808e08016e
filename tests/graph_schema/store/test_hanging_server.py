"""A server that takes calls and never answers is away, and is back when it answers again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from graph_schema.errors import StoreUnavailable
from graph_schema.store.connection import GraphStore
from graph_schema.store.servers.java import JavaServer
from tests.doors import graph_behind_a_door


@pytest.mark.timeout(400)
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


def test_a_store_may_be_closed_while_a_thread_asks(arcadedb: JavaServer) -> None:
    store = GraphStore(arcadedb.address, patience=0.0)
    done = Event()

    def ask() -> int:
        asked = 0
        while not done.is_set():
            store.ping()
            asked += 1
        return asked

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(ask)
        for _ in range(300):
            time.sleep(0.001)
            store.close()
        done.set()
        assert asking.result() > 0
    store.close()
