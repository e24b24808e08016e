"""Sending over a connection that is kept: what a client does, which may send thousands of jobs.

A new one costs more than the message that goes over it. One that met an outage is never used again:
that is what Celery's own pool of connections does, which then fails ever after.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery

from graph_schema.documents.jobs import JobRecord
from workers.broker.app import broker_errors, publish, unreachable


class Sender:
    """Sends jobs' messages. May be used by several threads; close it at the end."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._guard = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None
        self._pid = 0

    def reach(self) -> None:
        """Return where the broker takes messages.

        Raises:
            StoreUnavailable: It cannot be reached.
        """
        self._twice(lambda producer: producer.channel.reach())

    def send(self, *records: JobRecord) -> None:
        """Put the ids of these jobs on the queue.

        Raises:
            StoreUnavailable: The broker cannot be reached. The jobs are safe: a worker sends them
                later, those too that this has sent already.
        """
        self._twice(lambda producer: publish(self.app, producer, records))

    def close(self) -> None:
        """Let go of the connection. The sender can be used again afterwards."""
        with self._guard:
            self._let_go()

    def _twice(self, work: Callable[[Any], None]) -> None:
        """Do it over the connection that is kept; where that fails, over a new one."""
        with self._guard:
            if self._producer is not None and self._pid == os.getpid():
                try:
                    work(self._producer)
                except broker_errors():
                    self._let_go()
                else:
                    return
            try:
                self._connect()
                work(self._producer)
            except broker_errors() as error:
                self._let_go()
                raise unreachable(self.app, error) from error

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._connection = self.app.connection_for_write()
        self._producer = self.app.amqp.Producer(self._connection)

    def _let_go(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None and self._pid == os.getpid():  # else it is our parent's
            connection.release()
