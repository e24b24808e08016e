"""A worker with a broker that somebody else writes to as well."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from graph_schema.documents.jobs import JobState
from graph_schema.store.connection import GraphStore
from tests.workers.tiny import Place, ended, make_tiny, worker, worker_settings
from workers import broker

pytestmark = [pytest.mark.slow, pytest.mark.needs_redis]


def test_what_is_no_message_ends_no_worker(
    embedded_store: GraphStore, empty_redis: str, tmp_path: Path
) -> None:
    tiny = make_tiny(tmp_path / "tiny", n_layers=1)
    place = Place(embedded_store, worker_settings(tmp_path, embedded_store.address, empty_redis))
    with redis.Redis.from_url(empty_redis) as client:
        for raw in (b"not JSON", b"{}", b'{"headers": {}, "properties": [], "body": ""}'):
            client.lpush(broker.QUEUE, raw)
    with worker(place.settings) as process:
        assert ended(place.store, place.submit(tiny, seed=1)).state is JobState.SUCCEEDED
        assert process.poll() is None
    (log,) = tmp_path.glob("worker-*.log")
    assert "and is dropped (3 so far)" in log.read_text()
