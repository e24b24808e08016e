"""What the local service's worker said holds for a time, and of that worker alone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from graph_schema.store.connection import GraphStore
from graph_schema.store.records.workers import announce_worker, forget_worker
from workers import capacity
from workers.local.offered import Offered
from workers.settings import Settings


def test_a_gpu_that_was_in_use_is_looked_for_again(
    embedded_store: GraphStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "GPU_FILES", ("/",))
    offered, pid = Offered(Settings(home=tmp_path, idle_seconds=0.001)), os.getpid()
    here = socket.gethostname()

    def serves_cuda(pid: int | None) -> bool:
        return any(each.device == "cuda" for each in offered.look(embedded_store, pid).demands())

    assert serves_cuda(None), "it would, as far as this machine shows"
    announce_worker(embedded_store, "far", host="far", pid=pid, serves="cpu:8", lease=60)
    assert serves_cuda(pid), "another machine's process of this number said otherwise"
    announce_worker(embedded_store, "own", host=here, pid=pid, serves="cpu:8", lease=60)
    assert not serves_cuda(pid)
    for each in ("far", "own"):
        forget_worker(embedded_store, each)
    assert not serves_cuda(None), "it has just looked"
    monkeypatch.setattr("workers.local.offered.FORGET_SECONDS", 0.0)
    assert serves_cuda(None)
