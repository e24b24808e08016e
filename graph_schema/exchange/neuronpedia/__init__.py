"""Attribution graphs in Neuronpedia's JSON, read, written and validated."""

from graph_schema.exchange.neuronpedia.opening import is_graph
from graph_schema.exchange.neuronpedia.reading import read_neuronpedia
from graph_schema.exchange.neuronpedia.validating import check_graph
from graph_schema.exchange.neuronpedia.writing import write_neuronpedia

__all__ = ["check_graph", "is_graph", "read_neuronpedia", "write_neuronpedia"]
