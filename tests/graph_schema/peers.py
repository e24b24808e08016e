"""Files of other projects that lie beside the repository; absent, what reads them is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

PEERS = Path(__file__).parents[3] / "shared" / "peers"
HAIKU = PEERS / "circuit-motifs" / "capital-state-dallas.json"
SCHEMA = PEERS / "neuronpedia" / "graph-schema.json"


def peer(file: Path) -> Path:
    """The file, or a skipped test."""
    if not file.is_file():
        pytest.skip(f"{file.name} of ../shared/peers is not there")
    return file
