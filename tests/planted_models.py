"""Stored models in whose circuits previous-token heads feed induction heads by their keys."""

from __future__ import annotations

import numpy as np

from graph_schema.documents import CircuitDocument, sha256_hex
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.role_tests import write_roles
from tests.factories import make_circuit, make_edges, make_model, make_run
from tests.findings import roles_played
from tests.graph_schema.motifs.simulated import plant_induction, random_circuit

TASK = "planted"
PATTERN = "previous_token -k-> induction"


def write_planted(
    store: GraphStore, name: str, family: str, *, seed: int, circuits: int = 1, **model: object
) -> list[CircuitDocument]:
    """A model of 6 layers with 8 heads and five pairs, and circuits of the same edges."""
    rng = np.random.default_rng(seed)
    base = random_circuit(rng, n_layers=6, n_heads=8, n_edges=120)
    graph = plant_induction(base, 5, rng)
    own = make_model(name, family, n_layers=6, n_heads=8, **model)
    edges = make_edges([(e.sender, e.receiver, e.channel.value, e.score) for e in graph.edges])
    plays = tuple((node.name, role.value, 1.0, True) for node in graph.nodes for role in node.roles)
    written: list[CircuitDocument] = []
    for place in range(circuits):
        job = f"{name} {place}"
        circuit = make_circuit(edges, model=own, job=job, task=TASK, task_id=sha256_hex(TASK))
        store.write(lambda tx, circuit=circuit, job=job: write_circuit(tx, circuit, make_run(job)))
        written.append(circuit)
    played = roles_played(own, plays, task=TASK)
    store.write(lambda tx: write_roles(tx, played, make_run(f"roles {name}")))
    return written
