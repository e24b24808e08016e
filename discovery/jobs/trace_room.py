"""Whether an attribution graph fits the memory limit, told before any weights are read."""

from __future__ import annotations

from discovery.jobs.sizes import Sizes
from discovery.tracing.choosing import POOL
from discovery.tracing.rows import TOGETHER
from graph_schema.documents import Limits
from graph_schema.documents.jobs import TraceSpec
from graph_schema.errors import LimitError

COPIES = 3
"""Of all rows at once, while influence is taken and rows are put together."""
GRADIENTS = 5
"""Of a pass's gradient of the stream, while it goes through attention."""


def trace_bytes(spec: TraceSpec, sizes: Sizes, n_tokens: int, n_numbers: int = 0) -> int:
    """About how much memory a trace takes: weights, rows of the graph, one pass, the run itself."""
    number = 8 if spec.dtype == "float64" else 4
    stored = 2 if spec.dtype in ("bfloat16", "float16") else number
    width = sum(each.width for each in spec.dictionaries) or sizes.n_layers * sizes.d_mlp
    nodes = min(spec.method.max_feature_nodes, width * n_tokens)
    heads = sizes.n_layers * sizes.n_heads * n_tokens if spec.method.heads else 0
    columns = min(POOL * nodes, width * n_tokens) + heads + 3 * sizes.n_layers * n_tokens
    rows = nodes * (3 if heads else 1)
    run = sizes.n_layers * n_tokens * (4 * sizes.d_mlp + 12 * sizes.d_model)
    run += 3 * width * n_tokens
    one_pass = TOGETHER * (GRADIENTS * n_tokens * sizes.d_model + columns)
    return stored * (sizes.n_weights + n_numbers) + number * (
        COPIES * rows * columns + run + one_pass
    )


def require_room(
    spec: TraceSpec, sizes: Sizes, n_tokens: int, n_numbers: int, limits: Limits
) -> None:
    """Refuse a trace that is expected not to fit.

    Raises:
        LimitError: It is.
    """
    limit = limits.memory_bytes
    if limit is None:
        return
    needed = trace_bytes(spec, sizes, n_tokens, n_numbers)
    if needed > limit:
        raise LimitError(
            f"the graph of {n_tokens} tokens with {spec.method.max_feature_nodes:,} units needs "
            f"about {needed / 2**30:.1f} GiB, the limit is {limit / 2**30:.1f} GiB: ask for fewer "
            "(max_feature_nodes), or raise the memory limit"
        )
