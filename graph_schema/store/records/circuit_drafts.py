"""Circuits stored in parts, for jobs whose result is too large for one transaction.

A *draft* is what is stored of a circuit before its `Circuit` is: nodes and edges. Whatever goes by
circuits (lists, questions, motifs, a user's `MATCH (c:Circuit)`) sees nothing of it. The
transaction that ends the job writes the `Circuit` and hangs the nodes on it, which makes it seen,
whole; an attempt after one that ended half-way goes on from the parts that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from neo4j import Transaction

from graph_schema.documents import CircuitDocument
from graph_schema.documents.jobs import RunRecord
from graph_schema.store.records.circuit_edges import edge_rows, put_edges, write_nodes
from graph_schema.store.records.circuits import has_circuit, write_circuit, write_header
from graph_schema.store.records.dictionaries import write_dictionaries
from graph_schema.store.records.models import write_model

MOST_EDGES = 10_000
"""Edges a transaction: some seconds on the embedded server, some tens of megabytes in Neo4j."""


@dataclass(frozen=True)
class Part:
    """A part of a circuit, for a transaction of its own.

    `write` returns whether it is a part of a draft; it is not where the circuit is seen already.
    Writing it twice equals writing it once.
    """

    circuit_id: str
    write: Callable[[Transaction], bool]


def is_large(circuits: Iterable[CircuitDocument]) -> bool:
    """Whether they are stored in parts before `write_found`."""
    return sum(circuit.n_edges for circuit in circuits) > MOST_EDGES


def parts_of(circuits: Iterable[CircuitDocument], run: RunRecord) -> tuple[Part, ...]:
    """The parts that are written, in this order, before `write_found`; none of what is small."""
    circuits, parts = tuple(circuits), list[Part]()
    for circuit in circuits if is_large(circuits) else ():
        own = circuit.circuit_id
        parts.append(Part(own, partial(_write_nodes, circuit=circuit, run=run)))
        for first in range(0, circuit.n_edges, MOST_EDGES):
            parts.append(Part(own, partial(_write_edges, circuit=circuit, first=first)))
    return tuple(parts)


def write_found(tx: Transaction, circuits: Iterable[CircuitDocument], run: RunRecord) -> None:
    """Write circuits that a job found, those that are large from their parts: they are then seen.

    Raises:
        SpecError: A component's name is none we know, or the model lacks an edge.
    """
    circuits = tuple(circuits)
    write = write_header if is_large(circuits) else write_circuit
    for circuit in circuits:
        write(tx, circuit, run)


def _write_nodes(tx: Transaction, circuit: CircuitDocument, run: RunRecord) -> bool:
    if has_circuit(tx, circuit.circuit_id):
        # Its figures may be others now: old ones and new ones are not shown side by side.
        write_circuit(tx, circuit, run)
        return False
    circuit.check_edges()
    write_model(tx, circuit.model)
    write_dictionaries(tx, circuit)
    write_nodes(tx, circuit)
    return True


def _write_edges(tx: Transaction, circuit: CircuitDocument, first: int) -> bool:
    if has_circuit(tx, circuit.circuit_id):
        return False
    put_edges(tx, edge_rows(circuit, first, MOST_EDGES))
    return True
