"""One way in and one way out for all text formats, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph_schema.documents.annotation import Annotation
from graph_schema.documents.circuit import CircuitDocument
from graph_schema.documents.imported import ExchangeFormat
from graph_schema.errors import SpecError
from graph_schema.exchange.base import Exchanged
from graph_schema.exchange.eap_ig import read_eap_ig, write_eap_ig
from graph_schema.exchange.neuronpedia import read_neuronpedia, write_neuronpedia
from graph_schema.exchange.node_link import (
    read_graphml,
    read_node_link,
    write_graphml,
    write_node_link,
)
from graph_schema.exchange.table import read_csv, write_csv

_NEEDS_TORCH = "format eap-ig-pt needs torch; it is read and written by discovery.eap_ig_pt"


def write_circuit_file(
    circuit: CircuitDocument,
    format: ExchangeFormat,
    scores: Mapping[str, float] | None = None,
    remarks: Sequence[Annotation] = (),
) -> bytes:
    """The circuit in a text format.

    With `scores` of all edges and what people wrote on its nodes (`remarks`), where the format has
    room for them.
    """
    match format:
        case ExchangeFormat.EAP_IG:
            return write_eap_ig(circuit, scores).encode()
        case ExchangeFormat.GRAPHML:
            return write_graphml(circuit).encode()
        case ExchangeFormat.NODE_LINK:
            return write_node_link(circuit).encode()
        case ExchangeFormat.CSV:
            return write_csv(circuit).encode()
        case ExchangeFormat.NEURONPEDIA:
            return write_neuronpedia(circuit, remarks).encode()
        case ExchangeFormat.EAP_IG_PT:
            raise SpecError(_NEEDS_TORCH)


def read_circuit_file(data: bytes, format: ExchangeFormat) -> Exchanged:
    """Read a file of a text format.

    Raises:
        ExchangeError: The file is not what the format says.
    """
    match format:
        case ExchangeFormat.EAP_IG:
            return read_eap_ig(data)
        case ExchangeFormat.GRAPHML:
            return read_graphml(data)
        case ExchangeFormat.NODE_LINK:
            return read_node_link(data)
        case ExchangeFormat.CSV:
            return read_csv(data)
        case ExchangeFormat.NEURONPEDIA:
            return read_neuronpedia(data)
        case ExchangeFormat.EAP_IG_PT:
            raise SpecError(_NEEDS_TORCH)
