"""A client in a world of its own."""

from __future__ import annotations

from tests.workers.client.conftest import client, world

__all__ = ["client", "world"]
