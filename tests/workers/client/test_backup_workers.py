"""Backup and restore beside workers: they are refused, or disturb neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph_schema.errors import SpecError
from graph_schema.store import dump
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import announce_worker, forget_worker, live_workers
from tests.workers.client.backed_up import FAMILY, Place, filled, packed

LONG = 600.0


def test_a_live_worker_is_named_before_anything_is_deleted(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    with place.client as client:
        filled(place)
        made = client.backup(file)
        before = place.everything()
        _announce(place, "w1", lease=LONG)
        named = r"process 12 of host one.*stop .* first; --force does not help"
        for force in (False, True):
            with pytest.raises(SpecError, match=named):
                client.restore(file, force=force)
        assert len(place.everything()) == len(before) + 1, "and the worker"
        assert client.backup(tmp_path / "beside it.zip").nodes == made.nodes
        forget_worker(place.store, "w1")
        _announce(place, "w2", lease=-1)  # ended without a word
        client.restore(file, force=True)
        assert place.everything() == before


def test_workers_that_come_and_go_disturb_neither(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was too late to be seen says again that it is live while the graph is written."""
    file, links_of, write_graph = tmp_path / "all.zip", dump.links_of, dump.write_graph

    def announced(store: GraphStore) -> Any:
        _announce(place, "w1", lease=LONG)
        return links_of(store)

    def written(store: GraphStore, *parts: Any) -> Any:
        _announce(place, "w2", lease=LONG)
        return write_graph(store, *parts)

    monkeypatch.setattr(dump, "links_of", announced)
    monkeypatch.setattr(dump, "write_graph", written)
    with place.client as client:
        filled(place)
        before = place.everything()
        client.backup(file)
        forget_worker(place.store, "w1")
        client.restore(file, force=True)
        assert [worker.worker_id for worker in live_workers(place.store)] == ["w2"]
        forget_worker(place.store, "w2")
        assert place.everything() == before


def test_a_worker_in_an_older_backup_is_left_out(place: Place, tmp_path: Path) -> None:
    worker = dump.Node("Worker", {"worker_id": "w", "lease_until": 2**62})
    file = packed(tmp_path / "older.zip", [FAMILY, worker], [])
    with place.client as client:
        client.restore(file)
    assert place.store.rows("MATCH (n) WHERE NOT n:Schema RETURN labels(n) AS l") == [
        {"l": ["ModelFamily"]}
    ]


def _announce(place: Place, name: str, *, lease: float) -> None:
    announce_worker(place.store, name, host="host one", pid=12, serves="cpu:8", lease=lease)
