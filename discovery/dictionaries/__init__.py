"""Dictionaries that compute: neurons, SAEs, transcoders, coordinates of compiled programs.

`protocol` is what the engine asks of one, `linear`, `neurons` and `coordinates` are what answers;
`loading` makes them of files, `checks` looks at what they do. What files there are and what they
say is read in `graph_schema.dictionaries`, without torch.
"""

from discovery.dictionaries.checks import Loaded, Rows, check, explained_variance, rows_at
from discovery.dictionaries.coordinates import CoordinateBasis
from discovery.dictionaries.linear import LinearDictionary
from discovery.dictionaries.loading import describe_all, load
from discovery.dictionaries.neurons import NeuronBasis, neuron_document
from discovery.dictionaries.places import values_at
from discovery.dictionaries.protocol import Dictionary, Units, error
from discovery.dictionaries.streams import ByHead, stream_directions

__all__ = [
    "ByHead",
    "CoordinateBasis",
    "Dictionary",
    "LinearDictionary",
    "Loaded",
    "NeuronBasis",
    "Rows",
    "Units",
    "check",
    "describe_all",
    "error",
    "explained_variance",
    "load",
    "neuron_document",
    "rows_at",
    "stream_directions",
    "values_at",
]
