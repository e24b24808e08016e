"""A client in a world of its own."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from graph_schema.store import dump
from graph_schema.store.servers.java import JavaServer
from tests.workers.client.backed_up import Place, placed
from tests.workers.world import World, world
from workers.client import CircuitClient

__all__ = ["client", "world"]


@pytest.fixture
def client(world: World) -> Generator[CircuitClient]:
    with CircuitClient(settings=world.settings) as connected:
        yield connected


@pytest.fixture
def place(arcadedb: JavaServer, tmp_path: Path) -> Generator[Place]:
    """An empty graph of the embedded server, with its own artifacts."""
    found = placed(arcadedb, tmp_path)
    with found.store:
        yield found
        dump.give_up(found.store)
