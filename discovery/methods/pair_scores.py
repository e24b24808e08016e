"""Every edge's score on every pair, kept on request: how much that is, and how much is too much."""

from __future__ import annotations

from graph_schema.documents import Limits
from graph_schema.documents.limits import MEBIBYTE
from graph_schema.errors import LimitError

BYTES = 4
"""Of one score, a float32."""


def require_room(n_pairs: int, n_edges: int, limits: Limits) -> None:
    """Refuse to keep more than the limit.

    Raises:
        LimitError: Pairs times edges are too many bytes.
    """
    size, limit = n_pairs * n_edges * BYTES, limits.pair_score_bytes
    if size > limit:
        raise LimitError(
            f"keep_pair_scores would store {n_pairs:,} pairs x {n_edges:,} edges = "
            f"{size / MEBIBYTE:,.3g} MiB, the limit is {limit / MEBIBYTE:,.3g} MiB "
            "(setting limits.pair_score_bytes): use fewer pairs, leave keep_pair_scores out, or "
            "raise the limit"
        )
