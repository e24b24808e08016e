"""Limits that keep one request from harming the rest; each is a setting with a sane default."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from graph_schema.documents.base import Document

MEBIBYTE = 2**20
Most = Annotated[int, Field(ge=1, le=2**53)]
Seconds = Annotated[float, Field(gt=0, le=1e9)]


class Limits(Document):
    """Upper bounds. `None` means no bound."""

    dataset_bytes: Most = 4 * MEBIBYTE
    pairs: Most = 10_000
    min_pairs: Annotated[int, Field(ge=0, le=2**53)] = 8
    prompt_tokens: Most = 1024
    circuit_edges: Most = 50_000
    pair_score_bytes: Most = 512 * MEBIBYTE
    import_bytes: Most = 256 * MEBIBYTE
    query_rows: Most = 10_000
    query_bytes: Most = 16 * MEBIBYTE
    query_seconds: Seconds = 30.0
    memory_bytes: Most | None = None
    job_seconds: Seconds = 24 * 3600.0
    accuracy_floor: Annotated[float, Field(ge=0, le=1)] = 0.5
