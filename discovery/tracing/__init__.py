"""Attribution graphs of one prompt: features at positions, and what each gives to each, linearly.

`frozen` runs the prompt and holds what is not linear, `cut` says what units read and write there,
`sources` and `rows` are the columns and rows of the graph, `choosing` which units get rows.
"""

from discovery.tracing.cut import check_traceable
from discovery.tracing.tracing import Traced, check_model, trace

__all__ = ["Traced", "check_model", "check_traceable", "trace"]
