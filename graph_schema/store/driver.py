"""Loads the Neo4j driver without pandas, and bounds what it waits for.

The driver imports pandas wherever it is installed, to accept its types as parameters; we send none,
and every command that touches the store would pay half a second for it. This module is the first
that `graph_schema.store` imports, and the only one that hides anything or looks inside the driver.
"""

from __future__ import annotations

from typing import Any

from graph_schema.on_demand import hidden

with hidden("pandas"):
    import neo4j

DRIVER_VERSION: str = neo4j.__version__


def bound_answers(driver: neo4j.Driver, seconds: float) -> None:
    """Have a connection count as lost when the server owes an answer and is silent for so long.

    The driver waits for ever unless the server itself names a time, which a server that hangs does
    not. It has no setting for it: hence this, on each connection as it is opened.
    """
    pool: Any = getattr(driver, "_pool")  # noqa: B009 - private, and meant to be
    opened = pool.opener

    def bounded(*given: Any, **named: Any) -> Any:
        connection = opened(*given, **named)
        told = connection.socket.get_read_timeout()
        connection.socket.set_read_timeout(min(seconds, told) if told else seconds)
        return connection

    pool.opener = bounded
