"""A client's connection: settings, and the service that they lead to, made when it is needed."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from workers.settings import Settings, read_settings

if TYPE_CHECKING:
    from workers.client.service import Service


class Connection:
    """Graph, queue and artifacts of the settings, connected when first used; a context manager.

    Its arguments are those of `CircuitClient`.
    """

    def __init__(
        self,
        broker: str | None = None,
        graph: str | None = None,
        *,
        graph_user: str | None = None,
        graph_password: str | None = None,
        artifacts: str | None = None,
        home: str | Path | None = None,
        worker: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or read_settings(
            broker=broker,
            graph=graph,
            graph_user=graph_user,
            graph_password=graph_password,
            artifacts=artifacts,
            home=Path(home) if home is not None else None,
        )
        self._worker = worker
        self._open = ExitStack()
        self.reading = threading.Lock()
        """Held by whoever asks from a thread beside an event loop: one at a time."""

    @cached_property
    def service(self) -> Service:
        """The connected service; made when it is first needed."""
        from workers.client.service import connect

        return self._open.enter_context(connect(self.settings, worker=self._worker))

    @property
    def connected(self) -> bool:
        """Whether the service has been made, and not been let go of since."""
        return "service" in self.__dict__

    @property
    def brings_worker(self) -> bool:
        """Whether a local service that this connection uses is to have a worker."""
        return self._worker and self.settings.local

    def close(self) -> None:
        """Let go of the connections. Jobs go on."""
        self._open.close()
        self.__dict__.pop("service", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
