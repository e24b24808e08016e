"""Attribution graphs of one prompt: features at positions, and what each gives to each, linearly.

`frozen` runs the prompt and holds what is not linear, `cut` says what units read and write there,
`heads` the same of attention; `sources` and `rows` are the columns and rows of the graph, and
`choosing` which units get rows. `exact_edges` tests single edges by intervention.
"""

from discovery.tracing.cut import check_traceable
from discovery.tracing.patched_edges import Tested, exact_edges
from discovery.tracing.tracing import Traced, check_model, trace

__all__ = [
    "Tested",
    "Traced",
    "check_model",
    "check_traceable",
    "exact_edges",
    "trace",
]
