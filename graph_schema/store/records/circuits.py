"""Circuits in the graph: written inside the caller's transaction, read back exactly.

A circuit's edges are relationships; what describes the whole stands on the `Circuit` node, the
searchable figures as properties and everything together as JSON in `document`. `n_edges` is the
manifest: fewer stored edges mean a torn circuit, which is never returned as if it were whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

from neo4j import Transaction

from graph_schema.documents import (
    CircuitDocument,
    CircuitEdge,
    Component,
    Evaluation,
    ModelDocument,
)
from graph_schema.documents.jobs import RunRecord
from graph_schema.errors import NotFoundError, StoreError
from graph_schema.store.batches import (
    Row,
    batched,
    fetch,
    fetch_batches,
    write_batches,
    write_rows,
)
from graph_schema.store.connection import GraphStore
from graph_schema.store.records import statements
from graph_schema.store.records.models import write_model
from graph_schema.store.records.node_roles import keep_roles
from graph_schema.store.records.tasks import write_task
from graph_schema.store.stored import stored_document

SHOWN_MATCHES = 5
FIGURES = ("faithfulness", "heldout_faithfulness", "complement_faithfulness", "cmd", "cpr")


def write_circuit(tx: Transaction, circuit: CircuitDocument, run: RunRecord | None = None) -> None:
    """Write a circuit, what it hangs on, and the run that produced it; its nodes get their roles.

    Writing the same circuit again updates its figures and leaves annotations alone. The dataset
    is linked where it is stored already (`write_dataset` first).

    Raises:
        SpecError: A component's name is none we know, or the model lacks an edge.
    """
    circuit.check_edges()
    nodes, own = _node_rows(circuit), circuit.circuit_id
    write_model(tx, circuit.model)
    stored = fetch(tx, statements.COUNT_STORED, circuit_id=own)[0]
    properties = _properties(circuit, len(nodes))
    write_rows(tx, statements.WRITE_CIRCUIT, circuit=properties, expected=1)
    link_data(tx, circuit)
    if run is not None:
        row = run_row(run)
        write_rows(tx, statements.WRITE_RUN, circuit_id=own, run=row, expected=1)
    if stored["edges"] and stored["edges"] == circuit.n_edges:
        _update_edges(tx, circuit)
    else:
        if stored["edges"]:  # torn: a server lost a part of what was written
            tx.run(statements.DELETE_EDGES, circuit_id=own).consume()
        write_components(tx, circuit.model.fingerprint, nodes)
        if stored["nodes"]:
            ids = (row["node_id"] for row in nodes)
            there = {row["node_id"] for row in fetch_batches(tx, statements.FIND_NODES, ids)}
            nodes = [row for row in nodes if row["node_id"] not in there]
        write_batches(tx, statements.CREATE_NODES, nodes, circuit_id=own)
        for senders in _by_sender(_edge_rows(circuit)):
            expected = sum(len(row["edges"]) for row in senders)
            write_rows(tx, statements.CREATE_EDGES, rows=senders, expected=expected)
    keep_roles(tx, own)


def link_data(tx: Transaction, circuit: CircuitDocument) -> None:
    """Link a stored circuit to its task and its dataset, as far as they are known."""
    own, data = {"circuit_id": circuit.circuit_id}, {"sha256": circuit.dataset_sha256}
    if circuit.task_id is not None:
        write_task(tx, circuit.task_id, circuit.task)
        write_rows(tx, statements.LINK_TASK, **own, task_id=circuit.task_id, expected=1)
    if circuit.dataset_sha256 is not None:
        tx.run(statements.LINK_DATASET, data, task_id=circuit.task_id).consume()
        if circuit.evaluation is not None:
            tx.run(statements.LINK_JUDGED, own | data).consume()
        if circuit.imported is None:
            tx.run(statements.LINK_DATA, own | data).consume()


def read_circuit(store: GraphStore, circuit_id: str) -> CircuitDocument:
    """The circuit with this id, or the only one whose id starts so.

    Raises:
        NotFoundError: None, or several; the message names them.
        StoreError: It is torn: fewer edges are stored than its manifest says.
    """
    return store.read(lambda tx: _read_circuit(tx, resolve_circuit(tx, circuit_id)))


def resolve_circuit(tx: Transaction, prefix: str) -> str:
    """The one circuit id that starts with `prefix`.

    Raises:
        NotFoundError: None, or several; the message names them.
    """
    if not prefix:
        raise NotFoundError("circuit id '' is empty; `circuits list` shows the ids")
    rows = fetch(tx, statements.FIND_CIRCUITS, prefix=prefix, limit=SHOWN_MATCHES + 1)
    found = [str(row["circuit_id"]) for row in rows]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFoundError(f"no circuit has id {prefix!r}; `circuits list` shows the ids")
    shown = ", ".join(found[:SHOWN_MATCHES]) + (", …" if len(found) > SHOWN_MATCHES else "")
    raise NotFoundError(f"circuit id {prefix!r} is ambiguous; give more digits of one of: {shown}")


def _read_circuit(tx: Transaction, circuit_id: str) -> CircuitDocument:
    row = fetch(tx, statements.READ_CIRCUIT, circuit_id=circuit_id)[0]
    edges = fetch(tx, statements.READ_EDGES, circuit_id=circuit_id)
    if len(edges) != row["n_edges"]:
        raise StoreError(
            f"circuit {circuit_id} is torn: its manifest says {row['n_edges']} edges, "
            f"{len(edges)} are stored; submit its job again with --force"
        )
    return stored_circuit(row, edges)


def stored_circuit(row: Row, edges: Iterable[Row] = ()) -> CircuitDocument:
    """The document of a row of `READ_CIRCUIT`, with the model's weights as they are known now."""
    whole = json.loads(row["document"])
    if row["weights_sha256"] is not None and isinstance(whole.get("model"), dict):
        whole["model"]["weights_sha256"] = row["weights_sha256"]
    fields = CircuitEdge.model_fields
    kept = [CircuitEdge.model_validate({name: edge[name] for name in fields}) for edge in edges]
    what = f"circuit {whole.get('circuit_id')}"
    return stored_document(CircuitDocument, {**whole, "edges": tuple(kept)}, what)


def write_components(tx: Transaction, fingerprint: str, rows: list[Row]) -> None:
    """Write those of `component_rows` that are not there; a component never changes.

    The transaction holds the model.
    """
    ids = [row["component_id"] for row in rows]
    found = fetch_batches(tx, statements.FIND_COMPONENTS, ids)
    there = {row["component_id"] for row in found}
    missing = [row for row in rows if row["component_id"] not in there]
    write_batches(tx, statements.CREATE_COMPONENTS, missing, fingerprint=fingerprint)


def run_row(run: RunRecord) -> Row:
    """What stands on a Run node."""
    return {
        "run_id": run.run_id,
        "job_id": run.job_id,
        "attempt": run.attempt,
        "host": run.host,
        "versions": json.dumps(run.versions, sort_keys=True),
        "cpu_seconds": json.dumps(run.cpu_seconds, sort_keys=True),
    }


def _properties(circuit: CircuitDocument, n_nodes: int) -> Row:
    """What stands on the Circuit node."""
    document = circuit.model_dump_json(exclude={"edges"})
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
        "n_edges_scored": circuit.n_edges_scored,
        "n_edges": circuit.n_edges,
        "n_nodes": n_nodes,
        "notes": list(circuit.notes),
        "evaluation_id": circuit.evaluation_id,
        "preset": circuit.evaluation and circuit.evaluation.preset,
        **figures_of(circuit.evaluation),
        "document": document,
        "lock": None,
    }


def figures_of(evaluation: Evaluation | None) -> Row:
    """Each figure's value, and the headline's interval, to be searched and shown together."""
    if evaluation is None:
        return {}
    values = {name: getattr(evaluation, name).value for name in FIGURES}
    for name in FIGURES[:2]:
        figure = getattr(evaluation, name)
        values |= {f"{name}_low": figure.ci_low, f"{name}_high": figure.ci_high}
    return values


def component_rows(model: ModelDocument, names: Iterable[str]) -> list[Row]:
    """One row a component, in the order of the forward pass.

    Raises:
        SpecError: A name is none we know.
    """
    layers = model.n_layers
    components = [Component.parse(name) for name in set(names)]
    components.sort(key=lambda part: (part.order(layers), part.head or 0, part.name))
    return [
        {
            "component_id": f"{model.fingerprint}:{part.name}",
            "name": part.name,
            "kind": part.kind.value,
            "layer": part.layer,
            "head": part.head,
            "index": part.index,
            "depth": part.depth(layers),
        }
        for part in components
    ]


def _node_rows(circuit: CircuitDocument) -> list[Row]:
    """One row a component that sends or receives."""
    names = (name for edge in circuit.edges for name in (edge.sender, edge.receiver))
    rows = component_rows(circuit.model, names)
    return [row | {"node_id": f"{circuit.circuit_id}:{row['name']}"} for row in rows]


def _edge_rows(circuit: CircuitDocument) -> Iterator[Row]:
    for position, edge in enumerate(circuit.edges):
        yield {
            "sender": f"{circuit.circuit_id}:{edge.sender}",
            "receiver": f"{circuit.circuit_id}:{edge.receiver}",
            "channel": edge.channel.value,
            "score": edge.score,
            "score_kind": edge.score_kind and edge.score_kind.value,
            "stability": edge.stability,
            "position": position,
        }


def _update_edges(tx: Transaction, circuit: CircuitDocument) -> None:
    """Write what was measured anew of a stored circuit's edges; mostly nothing."""
    rows = fetch(tx, statements.READ_EDGES, circuit_id=circuit.circuit_id)
    stored = {(row["sender"], row["receiver"], row["channel"]): row for row in rows}
    changes: list[Row] = []
    for row, edge in zip(_edge_rows(circuit), circuit.edges, strict=True):
        old = stored[edge.sender, edge.receiver, edge.channel.value]
        new = {name: row[name] for name in ("score", "score_kind", "stability", "position")}
        if any(old[name] != value for name, value in new.items()):
            changes.append({"sender": row["sender"], "edge": edge, "new": new})
    for senders in _by_sender(changes):
        rows = [
            {
                "sender": row["sender"],
                "changes": {
                    f"{each['edge'].receiver} {each['edge'].channel.value}": each["new"]
                    for each in row["edges"]
                },
            }
            for row in senders
        ]
        expected = sum(len(row["changes"]) for row in rows)
        write_rows(tx, statements.UPDATE_EDGES, rows=rows, expected=expected)


def _by_sender(edges: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows of a sender and its edges, a batch of edges at a time."""
    ordered = sorted(edges, key=lambda edge: edge["sender"])
    for batch in batched(ordered):
        grouped = groupby(batch, key=lambda edge: edge["sender"])
        yield [{"sender": sender, "edges": list(of)} for sender, of in grouped]
