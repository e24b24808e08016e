"""The client, loaded when a command begins its work: its help and its completion need none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.client import CircuitClient


def connected(*, worker: bool = True) -> CircuitClient:
    """A client of the settings, which connects when it is first needed.

    Args:
        worker: A local service is to have a worker.
    """
    from workers.client import CircuitClient

    return CircuitClient(worker=worker)
