"""A graph from which something was taken, or to which it was added, is not found clean."""

from __future__ import annotations

from typing import LiteralString

import pytest
from neo4j import Transaction

from graph_schema.store import jobs
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import write_circuit
from graph_schema.store.records.runs import write_run_of_circuit
from tests.factories import make_circuit, make_run
from tests.faults.history import Event, Happened, Verdict, check
from tests.faults.running import facts
from tests.graph_schema.store.test_jobs import PLACEMENT, a_spec, claim

DAMAGES: dict[str, LiteralString] = {
    "lost": "MATCH (j:Job {job_id: $job_id}) DETACH DELETE j",
    "twice": "CREATE (:Run {run_id: 'another', job_id: $job_id})",
    "torn": """
    MATCH (:Circuit {job_id: $job_id})-[:CONTAINS]->(n:CircuitNode)
    MATCH (n)-[e:EDGE]->(:CircuitNode)
    WITH e LIMIT 1
    DELETE e
    """,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_seen(embedded_store: GraphStore, damage: str) -> None:
    spec = a_spec()
    circuit = make_circuit(job=spec.job_id, job_id=spec.job_id)
    jobs.submit(embedded_store, spec, PLACEMENT)
    assert claim(embedded_store, spec.job_id, "token")

    def write(tx: Transaction) -> None:
        write_circuit(tx, circuit)
        run = make_run(spec.job_id).model_copy(update={"job_id": spec.job_id})
        write_run_of_circuit(tx, circuit.circuit_id, run)

    jobs.finish(embedded_store, spec.job_id, "token", write, (circuit.circuit_id,))
    events = [Event(what, spec.job_id) for what in Happened]
    assert check(events, facts(embedded_store)) == Verdict()
    embedded_store.write(lambda tx: tx.run(DAMAGES[damage], job_id=spec.job_id).consume())
    found = check(events, facts(embedded_store))
    assert found == Verdict(**{damage: frozenset({spec.job_id})})
