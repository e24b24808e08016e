"""A graph with its own artifacts to back up and restore, what is in it, and made-up backups."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import numpy as np

from graph_schema.artifacts import ArtifactStore
from graph_schema.store import dump, migrations
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.servers.java import JavaServer
from tests.factories import make_circuit, make_model, make_run
from tests.made_world import fill
from tests.servers import EMPTY
from workers.client import CircuitClient, backup
from workers.settings import Settings, read_settings

NODES: LiteralString = "MATCH (n) WHERE NOT n:Schema RETURN labels(n) AS l, properties(n) AS p"
LINKS: LiteralString = (
    "MATCH (a)-[e]->(b) RETURN labels(a) AS a, labels(b) AS b, type(e) AS t, "
    "properties(a) AS pa, properties(b) AS pb, properties(e) AS p"
)


FAMILY = dump.Node("ModelFamily", {"name": "gpt2"})


@dataclass(frozen=True)
class Place:
    """A graph with its own artifacts, and a client of it."""

    settings: Settings
    store: GraphStore

    @property
    def client(self) -> CircuitClient:
        return CircuitClient(settings=self.settings, worker=False)

    def everything(self) -> list[str]:
        rows = [row for query in (NODES, LINKS) for row in self.store.rows(query)]
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    def empty(self) -> None:
        self.store.write(lambda tx: tx.run(EMPTY).consume())
        shutil.rmtree(cast("str", self.settings.artifacts), ignore_errors=True)


def placed(server: JavaServer, folder: Path) -> Place:
    settings = read_settings(home=folder / "home", artifacts=str(folder / "artifacts"))
    place = Place(settings.at(server.address), GraphStore(server.address, patience=60))
    place.store.migrate()
    place.empty()
    return place


def filled(place: Place) -> str:
    """Fill the graph; the id of a circuit that has an artifact."""
    fill(place.store)
    scores = {"names": np.array(["input->m0", "m0->logits"]), "scores": np.array([0.1, -2.0])}
    ref = ArtifactStore(cast("str", place.settings.artifacts)).save_by_content("scores", scores)
    circuit = make_circuit(model=make_model("ärger/☃"), job="kept", artifacts={"scores": ref})
    place.store.write(lambda tx: write_circuit(tx, circuit, make_run("kept")))
    return circuit.circuit_id


def packed(
    file: Path,
    nodes: list[dump.Node],
    links: list[dump.Link],
    *,
    version: int = migrations.VERSION,
    files: dict[str, bytes] | None = None,
    told: dict[str, Any] | None = None,
) -> Path:
    """A backup of these, as `backup` writes one."""
    parts = {
        backup.NODES: "".join(json.dumps(each) + "\n" for each in nodes).encode(),
        backup.LINKS: "".join(json.dumps(each) + "\n" for each in links).encode(),
    } | (files or {})
    manifest = {
        "schema_version": version,
        "created_at": 0,
        "nodes": len(nodes),
        "relationships": len(links),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
    } | (told or {})
    with zipfile.ZipFile(file, "w") as target:
        for name, data in parts.items():
            target.writestr(name, data)
        target.writestr(backup.MANIFEST, json.dumps(manifest))
    return file
