"""Limits that keep one request from harming the rest; each is a setting with a sane default."""

from __future__ import annotations

from graph_schema.documents.base import Document

MEBIBYTE = 2**20


class Limits(Document):
    """Upper bounds. `None` means no bound."""

    dataset_bytes: int = 4 * MEBIBYTE
    pairs: int = 10_000
    min_pairs: int = 8
    prompt_tokens: int = 1024
    circuit_edges: int = 50_000
    pair_score_bytes: int = 512 * MEBIBYTE
    import_bytes: int = 256 * MEBIBYTE
    query_rows: int = 10_000
    query_bytes: int = 16 * MEBIBYTE
    query_seconds: float = 30.0
    memory_bytes: int | None = None
    job_seconds: float = 24 * 3600.0
    accuracy_floor: float = 0.5
