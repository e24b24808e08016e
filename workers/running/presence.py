"""A worker says that it is live, and what it serves, as long as it is.

A thread of its own in the main process: what else looks at the database may wait for it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Self

from graph_schema.documents.jobs import Offer
from graph_schema.errors import StoreUnavailable
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import announce_worker, forget_old_workers, forget_worker
from workers.settings import Settings

log = logging.getLogger(__name__)

END_SECONDS = 2.0
"""What the last word is waited for; the database may hang."""


class Presence:
    """Announces a worker when it starts and every third of a lease; a context manager."""

    def __init__(self, settings: Settings, store: GraphStore, owner: str, offer: Offer) -> None:
        self._lease = settings.lease_seconds
        self._store = store
        self._owner = owner
        self._offer = offer
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        self._try(lambda: forget_old_workers(self._store))
        while not self._ending.is_set():
            self._try(self._announce)
            self._ending.wait(self._lease / 3)
        self._try(lambda: forget_worker(self._store, self._owner))

    def _announce(self) -> None:
        announce_worker(
            self._store,
            self._owner,
            host=socket.gethostname(),
            pid=os.getpid(),
            serves=str(self._offer),
            lease=self._lease,
        )

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except StoreUnavailable as error:
            log.warning("this worker cannot say that it is live: %s", error)
        except Exception:
            log.exception("this worker cannot say that it is live")
