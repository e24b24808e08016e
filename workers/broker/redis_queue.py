"""Redis as the queue: kombu's transport, which takes nothing from a queue but messages of ours.

kombu reads what it takes inside the worker's event loop, where an entry that is no message ends the
worker, and the next worker with the next such entry.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis import Redis

from workers.broker.messages import REDIS_PREFIX, read_message

log = logging.getLogger(__name__)


def redis_url(url: str) -> str:
    """The broker's URL for a queue on this Redis server (`redis://…` or `rediss://…`)."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[f"{REDIS_PREFIX}{scheme}"] = f"{__name__}:{Transport.__name__}"
    return f"{REDIS_PREFIX}{url}"


class Client(Redis):
    """A connection that gives messages of ours alone; of another entry it says: nothing there."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        found: Any = super().parse_response(connection, command_name, **options)
        if not found or command_name not in ("BRPOP", "RPOP"):
            return found
        message = read_message(found[1] if command_name == "BRPOP" else found)
        if message is None:
            return None
        item = json.dumps(message).encode()
        return (found[0], item) if command_name == "BRPOP" else item


class QoS(kombu_redis.QoS):
    """What was taken and not yet done with; what cannot be put back is dropped."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (ValueError, TypeError, LookupError) as error:
            # Else it would stand before all that come after it, for ever.
            log.warning("message %r cannot be put back and is dropped: %s", tag, error)
            self._remove_from_indices(tag).execute()


class Channel(kombu_redis.Channel):
    """kombu's channel with our client."""

    QoS = QoS

    def _get_client(self) -> type[Redis]:
        return Client

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each of these queues, asked all at once."""
        steps: list[int] = self.priority_steps
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            for queue in queues:
                for step in steps:
                    pipe.llen(self._q_for_pri(queue, step))
            sizes: list[int] = pipe.execute()
        n = len(steps)
        return {queue: sum(sizes[i * n : (i + 1) * n]) for i, queue in enumerate(queues)}

    def reach(self) -> None:
        """Return where the server answers.

        Raises:
            RedisError: It does not.
        """
        with self.conn_or_acquire() as client:
            client.ping()


class Transport(kombu_redis.Transport):
    """Chosen by `redis_url`."""

    Channel = Channel
