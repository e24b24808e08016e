"""A world to work in: a graph as a cluster would have it, a tiny model, and pairs for it."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graph_schema.store import GraphStore
from graph_schema.store.servers.java import JavaServer
from tests.servers import EMPTY
from tests.workers.tiny import make_tiny
from workers.settings import Settings

N_EDGES = 110
"""Edges of two layers of four heads and an MLP."""


@dataclass(frozen=True)
class World:
    """A graph, a home, a tiny model and pairs for it."""

    settings: Settings
    model: Path
    pairs: Path

    @property
    def ask(self) -> tuple[str, ...]:
        """Options for a request that the tiny model meets."""
        return ("--model", str(self.model), "--dataset", str(self.pairs), "--method", "eap")

    def lines(self) -> list[dict[str, Any]]:
        """The pairs, to be changed and written elsewhere."""
        return [json.loads(line) for line in self.pairs.read_text().splitlines()]


def write_lines(file: Path, lines: list[dict[str, Any]]) -> Path:
    """A dataset of these pairs."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.fixture(scope="module")
def world(arcadedb: JavaServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    """An emptied embedded database as a cluster would have it: named, without a local service."""
    folder = tmp_path_factory.mktemp("world")
    tiny = make_tiny(folder / "model", n_pairs=32)
    (folder / "pairs.jsonl").write_bytes(tiny.jsonl)
    address = arcadedb.address
    settings = Settings(home=folder / "home").at(address)
    with GraphStore(address) as store:
        store.migrate()
        store.write(lambda tx: tx.run(EMPTY).consume())
        yield World(settings, tiny.folder, folder / "pairs.jsonl")
