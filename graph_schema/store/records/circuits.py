"""Circuits in the graph: written inside the caller's transaction, read back exactly.

A circuit's edges are relationships; what describes the whole stands on the `Circuit` node as
properties to search by, and everything together as JSON on a `CircuitDocument` node beside it: the
embedded server reads a node's properties anew for each of its relationships that it deletes.
`n_edges` is the manifest: fewer stored edges mean a torn circuit, which is never returned as if it
were whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import LiteralString

from neo4j import Transaction

from graph_schema.documents import CircuitDocument, CircuitEdge, Evaluation
from graph_schema.documents.base import LAST
from graph_schema.documents.jobs import RunRecord
from graph_schema.errors import NotFoundError
from graph_schema.printable import quoted
from graph_schema.store.batches import Row, fetch, write_rows
from graph_schema.store.connection import GraphStore
from graph_schema.store.records.circuit_edges import (
    contain_nodes,
    edge_rows,
    put_edges,
    read_edges,
    require_whole,
    write_nodes,
)
from graph_schema.store.records.datasets import link_dataset
from graph_schema.store.records.dictionaries import link_dictionaries, write_dictionaries
from graph_schema.store.records.models import write_model
from graph_schema.store.records.node_roles import keep_roles
from graph_schema.store.records.runs import write_run_of_circuit
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

SHOWN_MATCHES = 5
TELLING = 8
"""Digits of an id by which it is told from others."""
FIGURES = ("faithfulness", "heldout_faithfulness", "complement_faithfulness", "cmd", "cpr")

_WRITE: LiteralString = """
MATCH (m:Model {fingerprint: $circuit.fingerprint})
MERGE (c:Circuit {circuit_id: $circuit.circuit_id})
ON CREATE SET c.created_at = timestamp()
SET c += $circuit
MERGE (c)-[:OF_MODEL]->(m)
RETURN count(c) AS written
"""
_DOCUMENT: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
MERGE (d:CircuitDocument {circuit_id: $circuit_id})
SET d.document = $document
MERGE (c)-[:HAS_DOCUMENT]->(d)
RETURN count(d) AS written
"""
_LINK_TASK: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (t:Task {task_id: $task_id})
MERGE (c)-[:FOR_TASK]->(t)
RETURN count(c) AS written
"""
_LINK_DATA: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (d:Dataset {sha256: $sha256})
MERGE (c)-[:DISCOVERED_ON]->(d)
"""
_LINK_JUDGED: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id}) MATCH (d:Dataset {sha256: $sha256})
MERGE (c)-[:EVALUATED_ON]->(d)
"""
_IS_THERE: LiteralString = "MATCH (c:Circuit {circuit_id: $circuit_id}) RETURN count(c) AS n"
_NEWEST: LiteralString = """
MATCH (c:Circuit) WHERE c.created_at > 0
RETURN c.circuit_id AS circuit_id ORDER BY c.created_at DESC, circuit_id LIMIT 1
"""
_FIND: LiteralString = """
MATCH (c:Circuit) WHERE c.circuit_id STARTS WITH $prefix
RETURN c.circuit_id AS circuit_id ORDER BY circuit_id LIMIT $limit
"""
_JOB: LiteralString = """
MATCH (j:Job) WHERE j.job_id STARTS WITH $prefix RETURN j.kind AS kind ORDER BY j.job_id LIMIT 1
"""
# A worker of an earlier release that is still running leaves it on the circuit.
_READ: LiteralString = """
MATCH (c:Circuit {circuit_id: $circuit_id})
OPTIONAL MATCH (c)-[:OF_MODEL]->(m:Model)
OPTIONAL MATCH (c)-[:HAS_DOCUMENT]->(d:CircuitDocument)
RETURN coalesce(d.document, c.document) AS document, c.n_edges AS n_edges,
       m.weights_sha256 AS weights_sha256
"""


_LABELS: LiteralString = """
MATCH (:Circuit {circuit_id: $circuit_id})-[:CONTAINS]->(n:CircuitNode)
WHERE n.label <> n.name
RETURN n.name AS name, n.label AS label
"""


def write_circuit(tx: Transaction, circuit: CircuitDocument, run: RunRecord | None = None) -> None:
    """Write a circuit, what it hangs on, and the run that produced it; its nodes get their roles.

    Writing the same circuit again updates its figures and leaves annotations alone. The dataset
    is linked where it is stored already (`write_dataset` first).

    Raises:
        SpecError: A component's name is none we know, or the model lacks an edge.
    """
    circuit.check_edges()
    write_model(tx, circuit.model)
    write_dictionaries(tx, circuit)
    write_nodes(tx, circuit)
    put_edges(tx, edge_rows(circuit))
    write_header(tx, circuit, run)


def write_header(tx: Transaction, circuit: CircuitDocument, run: RunRecord | None = None) -> None:
    """Write a circuit whose nodes and edges are stored: from now on it is seen, whole.

    Raises:
        WriteMissed: One of its nodes is not stored.
    """
    write_model(tx, circuit.model)  # held: nobody else says meanwhile what its nodes' roles are
    write_rows(tx, _WRITE, circuit=_properties(circuit), expected=1)
    write_document(tx, circuit)
    link_data(tx, circuit)
    if run is not None:
        write_run_of_circuit(tx, circuit.circuit_id, run)
    link_dictionaries(tx, circuit)
    contain_nodes(tx, circuit)
    keep_roles(tx, circuit.circuit_id)


def write_document(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write what describes a stored circuit as a whole, or what does so now."""
    document = circuit.model_dump_json(exclude={"edges"})
    write_rows(tx, _DOCUMENT, circuit_id=circuit.circuit_id, document=document, expected=1)


def link_data(tx: Transaction, circuit: CircuitDocument) -> None:
    """Link a stored circuit to its task and its dataset, as far as they are known."""
    own, data = {"circuit_id": circuit.circuit_id}, {"sha256": circuit.dataset_sha256}
    if circuit.task_id is not None:
        write_task(tx, circuit.task_id, circuit.task)
        write_rows(tx, _LINK_TASK, **own, task_id=circuit.task_id, expected=1)
    if circuit.dataset_sha256 is not None:
        link_dataset(tx, circuit.dataset_sha256, circuit.task_id)
        if circuit.evaluation is not None:
            tx.run(_LINK_JUDGED, own | data).consume()
        if circuit.imported is None:
            tx.run(_LINK_DATA, own | data).consume()


def has_circuit(tx: Transaction, circuit_id: str) -> bool:
    """Whether the circuit is stored, and seen; a draft is not."""
    return bool(fetch(tx, _IS_THERE, circuit_id=circuit_id)[0]["n"])


def read_circuit(store: GraphStore, circuit_id: str) -> CircuitDocument:
    """The circuit with this id, or the only one whose id starts so.

    Raises:
        NotFoundError: None, or several; the message names them.
        StoreError: It is torn: fewer edges are stored than its manifest says.
    """
    return store.read(lambda tx: _read_circuit(tx, resolve_circuit(tx, circuit_id)))


def read_header(store: GraphStore, circuit_id: str) -> CircuitDocument:
    """What describes the circuit with this id, or the only one whose id starts so, as a whole.

    Its edges are left out; its nodes have their labels.

    Raises:
        NotFoundError: None, or several; the message names them.
    """

    def work(tx: Transaction) -> CircuitDocument:
        id = resolve_circuit(tx, circuit_id)
        found = stored_header(tx, id)
        if found is None:
            raise NotFoundError(f"circuit {id[:12]} is not stored whole: nothing describes it yet")
        return found.labelled(_labels(tx, id))

    return store.read(work)


def resolve_circuit(tx: Transaction, prefix: str) -> str:
    """The one circuit id that starts with `prefix`; `last` is the one that was stored last.

    Raises:
        NotFoundError: None, or several; the message names them.
    """
    if not prefix:
        raise NotFoundError("circuit id '' is empty; `circuits list` shows the ids")
    if prefix == LAST:
        if newest := fetch(tx, _NEWEST):
            return str(newest[0]["circuit_id"])
        raise NotFoundError("there is no last circuit: none is stored")
    rows = fetch(tx, _FIND, prefix=prefix, limit=SHOWN_MATCHES + 1)
    found = [str(row["circuit_id"]) for row in rows]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(
            f"no circuit has id {quoted(prefix)}; `circuits list` shows the ids"
            f"{_of_a_job(tx, prefix)}"
        )
    shown = ", ".join(found[:SHOWN_MATCHES]) + (", …" if len(found) > SHOWN_MATCHES else "")
    raise NotFoundError(f"circuit id {prefix!r} is ambiguous; give more digits of one of: {shown}")


def _of_a_job(tx: Transaction, prefix: str) -> str:
    """A hint where the id is a job's; of a few digits it is nobody's in particular."""
    rows = fetch(tx, _JOB, prefix=prefix) if len(prefix) >= TELLING else []
    if not rows:
        return ""
    short = prefix[:12]
    return f"; a job has it ({rows[0]['kind']}): `circuits job {short}` shows what it found"


def _read_circuit(tx: Transaction, circuit_id: str) -> CircuitDocument:
    rows = fetch(tx, _READ, circuit_id=circuit_id)
    if not rows:  # since it was found
        raise NotFoundError(f"circuit {circuit_id[:12]} is not stored any more: it was removed")
    row = rows[0]
    edges = read_edges(tx, circuit_id)
    require_whole(circuit_id, row["n_edges"], len(edges))
    found = _document(row, edges)
    return found.labelled(_labels(tx, circuit_id))


def _labels(tx: Transaction, circuit_id: str) -> dict[str, str]:
    return {each["name"]: each["label"] for each in fetch(tx, _LABELS, circuit_id=circuit_id)}


def stored_header(tx: Transaction, circuit_id: str) -> CircuitDocument | None:
    """What is stored of a circuit beside its edges; None where it has only been taken, or is not.

    Its edges are left out, whatever it has.
    """
    rows = fetch(tx, _READ, circuit_id=circuit_id)
    return _document(rows[0]) if rows and rows[0]["document"] is not None else None


def _document(row: Row, edges: Iterable[Row] = ()) -> CircuitDocument:
    """The document of a row of `_READ`, with the model's weights as they are known now."""
    whole = json.loads(row["document"])
    if row["weights_sha256"] is not None and isinstance(whole.get("model"), dict):
        whole["model"]["weights_sha256"] = row["weights_sha256"]
    fields = CircuitEdge.model_fields
    kept = [CircuitEdge.model_validate({name: edge[name] for name in fields}) for edge in edges]
    what = f"circuit {whole.get('circuit_id')}"
    return stored_document(CircuitDocument, {**whole, "edges": tuple(kept)}, what)


def _properties(circuit: CircuitDocument) -> Row:
    """What stands on the Circuit node."""
    return {
        "circuit_id": circuit.circuit_id,
        "job_id": circuit.job_id,
        "fingerprint": circuit.model.fingerprint,
        "model": circuit.model.name,
        "family": circuit.model.family,
        "task": circuit.task,
        "task_id": circuit.task_id,
        "dataset_sha256": circuit.dataset_sha256,
        "method": circuit.method.name,
        "selection": circuit.selection and circuit.selection.kind,
        "selection_value": circuit.selection and float(circuit.selection.value),
        "metric": circuit.metric and circuit.metric.value,
        "ablation": circuit.ablation and circuit.ablation.kind.value,
        "dtype": circuit.dtype,
        "seed": circuit.seed,
        "granularity": circuit.granularity,
        "n_edges_scored": circuit.n_edges_scored,
        "n_edges": circuit.n_edges,
        "n_nodes": len(circuit.node_names),
        "notes": list(circuit.notes),
        "evaluation_id": circuit.evaluation_id,
        "preset": circuit.evaluation and circuit.evaluation.preset,
        **figures_of(circuit.evaluation),
        "lock": None,
    }


def figures_of(evaluation: Evaluation | None) -> Row:
    """Each figure's value, and the headline's interval, to be searched and shown together."""
    if evaluation is None:
        return {}
    values = {name: getattr(evaluation, name).value for name in FIGURES}
    if evaluation.error_share is not None:
        values["error_share"] = evaluation.error_share.value
    for name in FIGURES[:2]:
        figure = getattr(evaluation, name)
        values |= {f"{name}_low": figure.ci_low, f"{name}_high": figure.ci_high}
    return values
