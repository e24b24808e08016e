"""Imported circuits in the graph: one a file and model; what it is for can be said again."""

from __future__ import annotations

import shlex
from typing import LiteralString
from uuid import uuid4

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, DatasetDocument, TaskData
from graph_schema.errors import SpecError
from graph_schema.store.records.circuits import stored_header, write_circuit
from graph_schema.store.records.datasets import link_dataset, write_dataset
from graph_schema.store.records.models import write_model

# The node is made, and locked, before it is looked at: of two who import one file one is first.
TAKE: LiteralString = """
MERGE (c:Circuit {circuit_id: $circuit_id})
ON CREATE SET c.created_at = timestamp()
SET c.lock = $lock
"""
UNLINK_TASK: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[r:FOR_TASK]->(:Task) DELETE r
"""


def write_imported(
    tx: Transaction, circuit: CircuitDocument, dataset: DatasetDocument | None = None
) -> None:
    """Write an imported circuit, and the dataset it is said to be for; again is the same.

    Until it is evaluated, importing the file again may say anew what it is for; what is not said
    anew stays as it was said.

    Raises:
        SpecError: It is evaluated, and is now said to be for something else.
    """
    circuit_id = circuit.circuit_id
    write_model(tx, circuit.model)  # held first, as by all who hold both
    tx.run(TAKE, circuit_id=circuit_id, lock=uuid4().hex).consume()
    known = stored_header(tx, circuit_id)
    if known is not None:
        _check_same(known, circuit)
        if known.evaluation is not None:
            circuit = known.model_copy(update={"edges": circuit.edges})
        else:
            circuit = _with_what_was_said(known, circuit)
            tx.run(UNLINK_TASK, circuit_id=circuit_id).consume()
    write_circuit(tx, circuit)
    if dataset is not None:
        write_dataset(tx, dataset)
        link_dataset(tx, dataset.sha256, circuit.task_id)


def _with_what_was_said(known: CircuitDocument, circuit: CircuitDocument) -> CircuitDocument:
    """The circuit with the task, metric, ablation and place that only the earlier import gave."""
    file, before = circuit.imported, known.imported
    update: dict[str, object] = {
        name: getattr(known, name)
        for name in ("metric", "ablation")
        if getattr(circuit, name) is None
    }
    if file is not None and before is not None:
        method: dict[str, object] = {"source": file.source or before.source}
        if circuit.task is None and known.task is not None:
            update |= {"task": known.task, "task_id": known.task_id}
            method["data"] = before.data
        update["method"] = file.model_copy(update=method)
    return circuit.model_copy(update=update)


def _check_same(known: CircuitDocument, circuit: CircuitDocument) -> None:
    if known.evaluation is not None and circuit.task_id not in (None, known.task_id):
        short, file = known.circuit_id[:12], circuit.imported
        built_in = file is not None and isinstance(file.data, TaskData)
        pairs = f"--task {shlex.quote(str(circuit.task))}" if built_in else "--dataset FILE.jsonl"
        raise SpecError(
            f"the file is stored already, as circuit {short} for task {known.task!r}, and is "
            f"evaluated on it; judge it on {circuit.task!r} as well with: "
            f"circuits evaluate {short} {pairs}"
        )
