"""Circuits in other tools' formats: EAP-IG and MIB, Neuronpedia, networkx, GraphML, CSV."""

from graph_schema.documents.imported import ExchangeFormat
from graph_schema.exchange.base import Exchanged, ExchangeError, imported_id
from graph_schema.exchange.choosing import chosen
from graph_schema.exchange.eap_ig import read_eap_ig, write_eap_ig
from graph_schema.exchange.files import read_circuit_file, write_circuit_file
from graph_schema.exchange.hooks import hook_edge, read_hook_edge
from graph_schema.exchange.importing import format_of, imported_circuit, said_data
from graph_schema.exchange.neuronpedia import check_graph, read_neuronpedia, write_neuronpedia
from graph_schema.exchange.node_link import (
    from_networkx,
    read_graphml,
    read_node_link,
    to_networkx,
    write_graphml,
    write_node_link,
)
from graph_schema.exchange.table import read_csv, write_csv
from graph_schema.models.layout import Layout

__all__ = [
    "ExchangeError",
    "ExchangeFormat",
    "Exchanged",
    "Layout",
    "check_graph",
    "chosen",
    "format_of",
    "from_networkx",
    "hook_edge",
    "imported_circuit",
    "imported_id",
    "read_circuit_file",
    "read_csv",
    "read_eap_ig",
    "read_graphml",
    "read_hook_edge",
    "read_neuronpedia",
    "read_node_link",
    "said_data",
    "to_networkx",
    "write_circuit_file",
    "write_csv",
    "write_eap_ig",
    "write_graphml",
    "write_neuronpedia",
    "write_node_link",
]
