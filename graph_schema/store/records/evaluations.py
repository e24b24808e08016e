"""Evaluations of stored circuits: a node each; an imported circuit's first is its headline.

A circuit that a job found carries that job's figures for good; an `evaluate` job adds an
`Evaluation` beside them. An imported circuit has none until the first evaluation on its task, whose
figures are then copied to the `Circuit`; `evaluation_id` there says which one it was.
"""

from __future__ import annotations

from typing import LiteralString
from uuid import uuid4

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, CircuitEvaluation, ModelDocument
from graph_schema.documents.jobs import RunRecord
from graph_schema.errors import NotFoundError
from graph_schema.store.batches import Row, fetch, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuits import figures_of, link_data, stored_header, write_document
from graph_schema.store.records.datasets import link_dataset
from graph_schema.store.records.models import hold_models, write_loaded
from graph_schema.store.records.node_roles import keep_roles
from graph_schema.store.records.runs import write_run_of_evaluation
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

MODEL: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) RETURN c.fingerprint AS id
"""
# The first SET takes the write lock: of two first evaluations one is the first.
LOCK: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) SET c.lock = $lock RETURN c.circuit_id AS circuit_id
"""
UNLOCK: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) SET c += $changes
RETURN count(c) AS written
"""
WRITE: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
MERGE (e:Evaluation {evaluation_id: $evaluation.evaluation_id})
ON CREATE SET e.created_at = timestamp()
SET e += $evaluation
MERGE (e)-[:JUDGES]->(c)
RETURN count(e) AS written
"""
LINK_DATA: LiteralString = """
MATCH (e:Evaluation {evaluation_id: $evaluation_id})-[:JUDGES]->(c:Circuit)
MATCH (d:Dataset {sha256: $sha256})
MERGE (e)-[:JUDGED_ON]->(d)
MERGE (c)-[:EVALUATED_ON]->(d)
"""
READ: LiteralString = """
MATCH (e:Evaluation)-[:JUDGES]->(:Circuit {circuit_id: $circuit_id})
RETURN e.evaluation_id AS id, e.document AS document ORDER BY e.created_at, e.evaluation_id
"""
READ_ONE: LiteralString = """
MATCH (e:Evaluation {evaluation_id: $evaluation_id})
RETURN e.evaluation_id AS id, e.document AS document
"""


def write_evaluation(
    tx: Transaction,
    found: CircuitEvaluation,
    run: RunRecord | None = None,
    model: ModelDocument | None = None,
) -> None:
    """Write an evaluation beside its circuit, and its figures on it where they are the headline.

    Writing it again updates it. The dataset is linked where it is stored (`write_dataset` first).
    `model` is the one that it was measured in, as it was loaded: from then on its weights are
    known, which an import, that loads nothing, cannot say.

    Raises:
        NotFoundError: Its circuit is not stored.
    """
    circuit_id = found.circuit_id
    # The model first, as all do who hold both.
    own = [row["id"] for row in fetch(tx, MODEL, circuit_id=circuit_id)]
    hold_models(tx, [*own, *([model.fingerprint] if model else [])])
    if model is not None:
        write_loaded(tx, model)
    if not fetch(tx, LOCK, circuit_id=circuit_id, lock=uuid4().hex):
        raise NotFoundError(f"circuit {circuit_id} is not stored any more; import it again")
    # A statement of its own: it then sees what the lock waited for.
    circuit = stored_header(tx, circuit_id)
    assert circuit is not None, "it has been locked"
    write_rows(tx, WRITE, circuit_id=circuit_id, evaluation=_properties(found), expected=1)
    linked = {"evaluation_id": found.evaluation_id, "sha256": found.dataset_sha256}
    write_task(tx, found.task_id, found.task)
    link_dataset(tx, found.dataset_sha256, found.task_id)
    tx.run(LINK_DATA, linked).consume()
    if run is not None:
        write_run_of_evaluation(tx, found.evaluation_id, run)
    changes: Row = {"lock": None}
    if is_headline(circuit, found):
        judged = circuit.judged(found)
        link_data(tx, judged)
        write_document(tx, judged)
        changes |= headline_of(judged)
    write_rows(tx, UNLOCK, circuit_id=circuit_id, changes=changes, expected=1)
    if "task_id" in changes:
        keep_roles(tx, circuit_id)


def is_headline(circuit: CircuitDocument, found: CircuitEvaluation) -> bool:
    """Whether these are the figures to show first: an imported circuit's first ones on its task."""
    if circuit.imported is None:
        return False
    if circuit.evaluation_id is not None:
        return circuit.evaluation_id == found.evaluation_id
    return circuit.task_id in (None, found.task_id)


def headline_of(circuit: CircuitDocument) -> Row:
    """What changes on the Circuit node when it is judged."""
    assert circuit.metric is not None
    assert circuit.ablation is not None
    return {
        "task": circuit.task,
        "task_id": circuit.task_id,
        "dataset_sha256": circuit.dataset_sha256,
        "metric": circuit.metric.value,
        "ablation": circuit.ablation.kind.value,
        "dtype": circuit.dtype,
        "seed": circuit.seed,
        "notes": list(circuit.notes),
        "evaluation_id": circuit.evaluation_id,
        "preset": circuit.evaluation and circuit.evaluation.preset,
        **figures_of(circuit.evaluation),
    }


def read_evaluations(store: GraphStore, circuit_id: str) -> tuple[CircuitEvaluation, ...]:
    """The evaluations of a circuit, the oldest first; its own job's is not among them."""
    rows = store.rows(READ, circuit_id=circuit_id)
    return tuple(_evaluation(row) for row in rows)


def read_evaluation(store: GraphStore, evaluation_id: str) -> CircuitEvaluation:
    """The evaluation that this job made.

    Raises:
        NotFoundError: None is stored.
    """
    rows = store.rows(READ_ONE, evaluation_id=evaluation_id)
    if not rows:
        raise NotFoundError(f"no evaluation has the id {evaluation_id!r}; it is its job's id")
    return _evaluation(rows[0])


def _evaluation(row: Row) -> CircuitEvaluation:
    return stored_document(CircuitEvaluation, row["document"], f"evaluation {row['id']}")


def _properties(found: CircuitEvaluation) -> Row:
    return {
        "evaluation_id": found.evaluation_id,
        "circuit_id": found.circuit_id,
        "task": found.task,
        "task_id": found.task_id,
        "dataset_sha256": found.dataset_sha256,
        "metric": found.metric.value,
        "ablation": found.ablation.kind.value,
        "dtype": found.dtype,
        "seed": found.seed,
        "notes": list(found.notes),
        "preset": found.evaluation.preset,
        **figures_of(found.evaluation),
        "document": found.model_dump_json(),
    }
