"""Labels against the graph: what nodes are called, and what a user calls them from now on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graph_schema.circuit_arrays import stored_features
from graph_schema.documents import Annotation, CircuitDocument, Features
from graph_schema.errors import NotFoundError, ResourceError
from graph_schema.exchange.labels import LabelRow, newest_labels, write_label_table
from graph_schema.store.records.annotations import read_annotations, write_labels
from workers.requests.labels import Labelled, labels_of, news

if TYPE_CHECKING:
    from workers.client.service import Service


def label_nodes(
    service: Service, circuit_id: str, rows: Sequence[LabelRow], author: str
) -> Labelled:
    """Write the labels that are new; all of them or none."""
    circuit = service.circuit(circuit_id).document
    labels = labels_of(circuit, rows, author, _known(service, circuit))
    found = news(circuit, labels, read_annotations(service.store, circuit.circuit_id))
    if found.written:
        service.store.write(lambda tx: write_labels(tx, found.written))
    return found


def labels_now(service: Service, circuit_id: str) -> list[Annotation]:
    """What gave each labelled node its label, in the order of the forward pass."""
    circuit = service.circuit(circuit_id).document
    found = newest_labels(circuit, read_annotations(service.store, circuit.circuit_id))
    return [found[name] for name in circuit.nodes_in_order if name in found]


def label_table(service: Service, circuit_id: str) -> str:
    """The table to write labels into."""
    circuit = service.circuit(circuit_id).document
    said = read_annotations(service.store, circuit.circuit_id)
    return write_label_table(circuit, said, _known(service, circuit))


def _known(service: Service, circuit: CircuitDocument) -> Features:
    """Descriptions of the circuit's units; none where they are gone: labels do without."""
    try:
        return stored_features(circuit, service.artifacts)
    except (NotFoundError, ResourceError):
        return Features(units=())
