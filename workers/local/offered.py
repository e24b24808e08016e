"""What the local service's worker serves, from the side of the supervisor."""

from __future__ import annotations

import socket
import time

from graph_schema.documents.jobs import Offer, said_offer
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import live_workers
from workers.capacity import likely_offer
from workers.settings import Settings

FORGET_SECONDS = 300.0
"""What a worker found may have changed when the service would be idle and so much has passed."""


class Offered:
    """What the worker said that lives or lived last; before one has, what this machine would serve.

    A worker has asked torch. What it found holds for a time: a GPU that was in use may be free
    again. For longer than a service is idle, so that a job that no worker here can do does not keep
    the service alive by having one asked again and again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._offer = likely_offer(settings)
        self._said = time.monotonic()

    def look(self, store: GraphStore, pid: int | None) -> Offer:
        """What it serves now.

        Args:
            store: Where workers say what they serve.
            pid: Of its process on this machine; None where there is none.
        """
        now = time.monotonic()
        if pid is not None:
            own = (socket.gethostname(), pid)
            said = [each.serves for each in live_workers(store) if (each.host, each.pid) == own]
            if said:
                self._offer, self._said = said_offer(said[0]), now
        elif now - self._said >= self._settings.idle_seconds + FORGET_SECONDS:
            self._offer, self._said = likely_offer(self._settings), now
        return self._offer
