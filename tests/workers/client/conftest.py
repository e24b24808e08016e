"""A client in a world of its own."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.workers.world import World, world
from workers.client import CircuitClient

__all__ = ["client", "world"]


@pytest.fixture
def client(world: World) -> Generator[CircuitClient]:
    with CircuitClient(settings=world.settings) as connected:
        yield connected
